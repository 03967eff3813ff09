using System.Numerics;

namespace Actors.Bench.App;

/// <summary>
/// Counts latencies in buckets a sixteenth wide at most, from one timestamp tick up. Each caller records into its own, so recording
/// takes no lock and allocates nothing.
/// </summary>
internal sealed class LatencyHistogram
{
    // 16 linear buckets for each power of two.
    private const int Bits = 4;

    private readonly long[] _counts = new long[(64 - Bits + 1) << Bits];

    public long Count { get; private set; }

    public void Record(long ticks)
    {
        _counts[IndexOf(Math.Max(0, ticks))]++;
        Count++;
    }

    public void Add(LatencyHistogram other)
    {
        for (var i = 0; i < _counts.Length; i++) _counts[i] += other._counts[i];
        Count += other.Count;
    }

    /// <summary>The middle of the bucket that holds this share of the latencies, in ticks; 0 if it is empty.</summary>
    public double Percentile(double share)
    {
        var rank = Math.Max(1, (long)Math.Ceiling(share * Count));
        for (var i = 0; i < _counts.Length; i++)
        {
            rank -= _counts[i];
            if (rank <= 0) return MiddleOf(i);
        }

        return 0;
    }

    private static int IndexOf(long ticks)
    {
        var shift = Math.Max(0, BitOperations.Log2((ulong)ticks) - Bits);
        return (shift << Bits) + (int)(ticks >> shift);
    }

    private static double MiddleOf(int index)
    {
        var shift = Math.Max(0, (index >> Bits) - 1);
        var first = (double)(index - (shift << Bits)) * (1L << shift);
        return first + (((1L << shift) - 1) / 2.0);
    }
}
