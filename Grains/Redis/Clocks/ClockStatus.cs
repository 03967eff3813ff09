namespace Actors.Redis;

/// <summary>How this machine's clock stands, for those who watch the silo.</summary>
public sealed class ClockStatus
{
    private readonly ClockWatch _watch;

    internal ClockStatus(ClockWatch watch) => _watch = watch;

    /// <summary>Which clock is off by more than is allowed, in a line; null if none is.</summary>
    public string? Problem => _watch.Problem;

    /// <summary>By how much this machine's clock differs from each other one.</summary>
    public string Text => string.Join("; ", _watch.Skews);
}
