namespace Actors.Harness.Limits;

/// <summary>The fullest window there was.</summary>
/// <param name="Permits">The permits granted in it.</param>
/// <param name="Last">The grant it ends with by server time; the one it begins with where the caller's clock counts.</param>
public readonly record struct FullestWindow(long Permits, Grant Last);

/// <summary>Finds the window with the most permits; of grants to one client by one policy.</summary>
public static class Exactness
{
    // The callers' times are of whole microseconds, each off by up to a half.
    private const long Rounding = 1;

    /// <summary>
    /// By server time: the most permits in any (t - W, t]. A grant aged exactly W counts no more. This is what is promised,
    /// to the microsecond, and it takes the limiter's word for when it granted.
    /// </summary>
    /// <remarks>
    /// What <see cref="ByCaller"/> finds beside it is what does not rest on that word. While Redis is away a silo says what
    /// the clock of Redis would show: the last it heard, carried on by a clock of its own, so wrong by up to the round trip in
    /// which it heard it and by what the two drift apart since. Grants before, in and after an outage then mix times of two
    /// clocks: windows that look kept here could be over in truth by so much, and the caller's clock, which does not stop with
    /// Redis, shows that. The other way round: a Redis that comes back with a clock set back or forward (another machine) has
    /// windows kept by its own time that the caller's clock calls too full or too empty; here it runs on one machine, so both
    /// must hold. A script that Redis had in its hands when it was stopped runs when it goes on, with the time of then: charged
    /// to the log, answered to nobody, so in neither check, and in what is granted less afterwards.
    /// </remarks>
    public static FullestWindow ByServer(IReadOnlyList<Grant> grants, LimitWindow window)
    {
        var sorted = grants.OrderBy(grant => grant.At).ToList();
        var (fullest, permits, first) = (default(FullestWindow), 0L, 0);
        foreach (var last in sorted)
        {
            permits += last.Permits;
            for (; sorted[first].At <= last.At - window.Microseconds; first++) permits -= sorted[first].Permits;
            if (permits > fullest.Permits) fullest = new(permits, last);
        }
        return fullest;
    }

    /// <summary>
    /// By the caller's own clock, believing nothing the limiter says: the most permits that were certainly granted within less
    /// than W, since their calls all began at s or later and were all answered before s + W. Grants of one process only.
    /// </summary>
    public static FullestWindow ByCaller(IReadOnlyList<Grant> grants, LimitWindow window)
    {
        // From the last beginning to the first: the tree holds all that began at s or later, in the order of their answers.
        var answers = grants.Select(grant => Rounded(grant.Ended)).Order().ToArray();
        var tree = new RunningSums(answers.Length);
        var fullest = default(FullestWindow);
        var byBeginning = grants.OrderByDescending(grant => grant.Began).ToList();
        for (var next = 0; next < byBeginning.Count;)
        {
            var first = byBeginning[next];
            for (; next < byBeginning.Count && byBeginning[next].Began == first.Began; next++)
                tree.Add(Before(answers, Rounded(byBeginning[next].Ended)), byBeginning[next].Permits);
            var permits = tree.Sum(Before(answers, Rounded(first.Began) + window.Microseconds - Rounding));
            if (permits > fullest.Permits) fullest = new(permits, first);
        }
        return fullest;
    }

    private static long Rounded(double seconds) => (long)Math.Round(seconds * 1e6);

    /// <summary>How many are less than <paramref name="value"/>.</summary>
    private static int Before(long[] sorted, long value)
    {
        var (low, high) = (0, sorted.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (sorted[middle] < value) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    /// <summary>Sums over the beginning of a list that is added to anywhere: a Fenwick tree.</summary>
    private sealed class RunningSums(int length)
    {
        private readonly long[] _sums = new long[length + 1];

        public void Add(int index, long value)
        {
            for (var i = index + 1; i < _sums.Length; i += i & -i) _sums[i] += value;
        }

        public long Sum(int count)
        {
            var sum = 0L;
            for (var i = count; i > 0; i -= i & -i) sum += _sums[i];
            return sum;
        }
    }
}
