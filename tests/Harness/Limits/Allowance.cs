namespace Actors.Harness.Limits;

/// <summary>A part of a run without faults, by the clock of Redis in microseconds; it should be longer than the longest window.</summary>
public readonly record struct Steady(string Name, long From, long Until)
{
    /// <summary>The least share of what the limit allows that must have come.</summary>
    public double LeastShare { get; init; } = LimitCheck.LeastShare;

    /// <summary>So long, in seconds.</summary>
    public double Seconds => (Until - From) / 1e6;
}

/// <summary>How much of what the limit allows came, under a load that always wanted more.</summary>
/// <param name="Needed">How long what was granted takes a limiter that grants each as soon as the limit allows, in microseconds.</param>
/// <param name="Took">How long it took.</param>
public readonly record struct Share(long Needed, long Took)
{
    /// <summary>1 where nothing was held back.</summary>
    public double Value => Took <= 0 ? 1 : Math.Min(1, (double)Needed / Took);

    /// <summary>Both together.</summary>
    public static Share operator +(Share one, Share other) => new(one.Needed + other.Needed, one.Took + other.Took);
}

/// <summary>
/// What a limit allows, as time: the grants that came, in the order and with the weights in which they came, each as soon as
/// all windows have room for it. For one window and permits one by one that is L permits at once every W, so L * T / W in the
/// long run; with weights it leaves out what is too little for the weight that came next, with several windows the tightest
/// counts at each moment. Grants are compared by the time they need and not counted in an interval: a count is off by a whole
/// window's permits where the interval ends just before a window opens.
/// </summary>
public static class Allowance
{
    /// <summary>The share of a part of the run.</summary>
    /// <param name="grants">All grants to one client by one policy, also those before: they still fill windows.</param>
    /// <param name="windows">The windows.</param>
    /// <param name="steady">The part.</param>
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

        // Where one more was due, whatever its weight, and had not come by the end, all the time until then counts.
        var due = earliest.Next(most);
        return steady.Until - last > due - needed
            ? new(due - steady.From, steady.Until - steady.From)
            : new(needed - steady.From, last - steady.From);
    }

    /// <summary>Grants each as soon as all windows have room.</summary>
    private sealed class Earliest(IReadOnlyList<LimitWindow> windows, long from)
    {
        private readonly List<(long At, int Permits)> _granted = [];
        private readonly int[] _first = new int[windows.Count];
        private readonly long[] _permits = new long[windows.Count];
        private long _now = from;

        /// <summary>A grant from before, when it came.</summary>
        public void Keep(Grant grant) => Add(grant.At, grant.Permits);

        /// <summary>When permits that are asked for from the beginning on can be granted.</summary>
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

        // Keeps for each window the first of the last grants that fit into it together.
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
