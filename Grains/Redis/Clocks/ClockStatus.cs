namespace Actors.Redis;

/// <summary>The state of this machine's clock, for monitoring.</summary>
public sealed class ClockStatus
{
    private readonly ClockWatch _watch;

    internal ClockStatus(ClockWatch watch) => _watch = watch;

    /// <summary>A line that names the clock that exceeds the limit; null if there is none.</summary>
    public string? Problem => _watch.Problem;

    /// <summary>How far this machine's clock differs from each other clock.</summary>
    public string Text => string.Join("; ", _watch.Skews);
}
