namespace Actors.Core;

/// <summary>The latest failure and its time, which tells an old failure from a current one.</summary>
internal sealed record LastError(string Reason, DateTimeOffset At);
