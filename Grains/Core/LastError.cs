namespace Actors.Core;

/// <summary>What failed last, and when, so that a reader can tell an old failure from a present one.</summary>
internal sealed record LastError(string Reason, DateTimeOffset At);
