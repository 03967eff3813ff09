namespace Actors.Contracts;

/// <summary>A clock that fails once after a set number of reads.</summary>
internal sealed class FailingClock : TimeProvider
{
    // Decremented by each read of the clock.
    private int _readsLeft = -1;

    public override long TimestampFrequency => System.TimestampFrequency;

    public void FailAfter(int reads) => Volatile.Write(ref _readsLeft, reads + 1);

    public override long GetTimestamp() =>
        Volatile.Read(ref _readsLeft) > 0 && Interlocked.Decrement(ref _readsLeft) == 0
            ? throw new InvalidOperationException("The clock failed.")
            : System.GetTimestamp();
}
