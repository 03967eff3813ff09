namespace Actors.Calls;

/// <summary>
/// The first attempt of a call, which failed on its way in a message with others. <see cref="RetryFilter"/> goes on from there, so the
/// same rules hold for all calls.
/// </summary>
/// <param name="Began">When it began, by <see cref="System.Diagnostics.Stopwatch"/>.</param>
/// <param name="Error">How it failed.</param>
internal sealed record FirstAttempt(long Began, Exception Error)
{
    // Set while a call is handed to Orleans, and read once by the filter.
    private static readonly AsyncLocal<FirstAttempt?> Handed = new();

    /// <summary>The attempt of the call that is being handed to Orleans, if it had one.</summary>
    public static FirstAttempt? Take()
    {
        var first = Handed.Value;
        if (first is not null) Handed.Value = null;
        return first;
    }

    /// <summary>Tells the filter of this attempt. Flows into the calls that the caller makes until it returns.</summary>
    public void HandOver() => Handed.Value = this;
}
