namespace Actors.Harness.Limits;

/// <summary>The fullest window.</summary>
/// <param name="Permits">The permits granted in it.</param>
/// <param name="Last">Its last grant by server time; its first grant by the caller's clock.</param>
public readonly record struct FullestWindow(long Permits, Grant Last);

/// <summary>Finds the window with the most permits among the grants to one client by one policy.</summary>
public static class Exactness
{
    // The callers' times are whole microseconds, each rounded by up to a half.
    private const long Rounding = 1;

    /// <summary>
    /// By server time: the most permits in any (t - W, t]. A grant of age W no longer counts. This is the guarantee, exact to the
    /// microsecond; it trusts the limiter's grant times.
    /// </summary>
    /// <remarks>
    /// <see cref="ByCaller"/> does not trust them. During a Redis outage a silo extrapolates the clock of Redis from its last
    /// response. The error is the round trip of that response plus the drift since then. Grants before, during and after an outage
    /// then mix two clocks: a window that looks exact here could exceed its limit by that error, and the caller's clock, which
    /// continues during the outage, shows it. Conversely, after a return of Redis with another clock, windows that are exact by
    /// its time look too full or too empty by the caller's clock; here Redis runs on one machine, so both must hold. A script
    /// that Redis had received when it was frozen runs when it resumes, with the earlier time: it is charged without a response,
    /// so it is in neither check and reduces later grants.
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
    /// By the caller's clock, without trust in the limiter: the most permits certainly granted within less than W, because their
    /// calls all began at s or later and all ended before s + W. Grants of one process only.
    /// </summary>
    public static FullestWindow ByCaller(IReadOnlyList<Grant> grants, LimitWindow window)
    {
        // From the last start to the first: the tree holds all calls started at s or later, ordered by their end.
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

    /// <summary>The number of values below <paramref name="value"/>.</summary>
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

    /// <summary>Prefix sums of a list with additions anywhere: a Fenwick tree.</summary>
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
