namespace Actors.Harness.Limits;

/// <summary>A fault-free interval of a run, by the clock of Redis in microseconds. It should be longer than the longest window.</summary>
public readonly record struct Steady(string Name, long From, long Until)
{
    /// <summary>The minimum share of the limit that must have been granted.</summary>
    public double LeastShare { get; init; } = LimitCheck.LeastShare;

    /// <summary>Its length in seconds.</summary>
    public double Seconds => (Until - From) / 1e6;
}

/// <summary>The share of the limit that was granted under unlimited demand.</summary>
/// <param name="Needed">The time in microseconds in which an ideal limiter makes these grants.</param>
/// <param name="Took">The actual time.</param>
public readonly record struct Share(long Needed, long Took)
{
    /// <summary>1 if every possible permit was granted.</summary>
    public double Value => Took <= 0 ? 1 : Math.Min(1, (double)Needed / Took);

    /// <summary>The sum of both.</summary>
    public static Share operator +(Share one, Share other) => new(one.Needed + other.Needed, one.Took + other.Took);
}

/// <summary>
/// The allowance of a limit as time: the actual grants, in their order and weights, each as early as all windows allow. For
/// one window and single permits that is L permits at once every W, so L * T / W in the long run. With weights it omits a
/// remainder too small for the next weight; with several windows the tightest counts at each moment. Grants are compared by
/// time, not counted per interval: a count is off by a whole window if the interval ends just before a window opens.
/// </summary>
public static class Allowance
{
    /// <summary>The share of an interval of the run.</summary>
    /// <param name="grants">All grants to one client by one policy, including earlier ones, which still fill windows.</param>
    /// <param name="windows">The windows.</param>
    /// <param name="steady">The interval.</param>
    public static Share Of(IReadOnlyList<Grant> grants, IReadOnlyList<LimitWindow> windows, Steady steady)
    {
        var sorted = grants.OrderBy(grant => grant.At).Where(grant => grant.At <= steady.Until).ToList();
        var earliest = new Earliest(windows, steady.From);
        var (needed, last, most) = (steady.From, steady.From, 1);
        foreach (var grant in sorted)
        {
            if (grant.At < steady.From)
            {
                earliest.Keep(grant);
                continue;
            }
            needed = earliest.Next(grant.Permits);
            (last, most) = (grant.At, Math.Max(most, grant.Permits));
        }

        // If one more grant was due at the end, whatever its weight, the time until the end counts.
        var due = earliest.Next(most);
        return steady.Until - last > due - needed
            ? new(due - steady.From, steady.Until - steady.From)
            : new(needed - steady.From, last - steady.From);
    }

    /// <summary>Makes each grant as soon as all windows have room.</summary>
    private sealed class Earliest(IReadOnlyList<LimitWindow> windows, long from)
    {
        private readonly List<(long At, int Permits)> _granted = [];
        private readonly int[] _first = new int[windows.Count];
        private readonly long[] _permits = new long[windows.Count];
        private long _now = from;

        /// <summary>Keeps an earlier grant at its actual time.</summary>
        public void Keep(Grant grant) => Add(grant.At, grant.Permits);

        /// <summary>The earliest time of a grant of these permits, requested from the start.</summary>
        public long Next(int permits)
        {
            Add(0, permits);
            for (var i = 0; i < windows.Count; i++)
            {
                if (_first[i] > 0) _now = Math.Max(_now, _granted[_first[i] - 1].At + windows[i].Microseconds);
            }
            _granted[^1] = (_now, permits);
            return _now;
        }

        // Keeps, for each window, the first of the latest grants that fit into it together.
        private void Add(long at, int permits)
        {
            _granted.Add((at, permits));
            for (var i = 0; i < windows.Count; i++)
            {
                _permits[i] += permits;
                for (; _permits[i] > windows[i].Limit && _first[i] < _granted.Count - 1; _first[i]++) _permits[i] -= _granted[_first[i]].Permits;
            }
        }
    }
}
