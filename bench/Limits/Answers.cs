namespace Actors.Bench.Limits;

/// <summary>Counts answers, all of which must be the same.</summary>
internal sealed class Answers(bool isAllowed)
{
    // Changed by Interlocked only.
    private long _count;
    private long _others;

    /// <summary>The number of expected answers.</summary>
    public long Count => Interlocked.Read(ref _count);

    public void Note(bool answer) => Interlocked.Increment(ref answer == isAllowed ? ref _count : ref _others);

    /// <exception cref="InvalidOperationException">An answer was not as expected.</exception>
    public void Verify()
    {
        if (_others > 0)
            throw new InvalidOperationException(
                $"{_others} of {_count + _others} calls were {(isAllowed ? "denied" : "allowed")}, but none should have been.");
    }
}
