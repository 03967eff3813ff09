namespace Actors.Contracts;

/// <summary>
/// What an exact limiter would have decided, by the definition: permits granted in (t - duration, t] are counted one by one.
/// Knows nothing of how ours does it.
/// </summary>
internal sealed class GrantOracle(params RateLimitWindow[] windows)
{
    private readonly List<(DateTimeOffset At, int Permits)> _grants = [];

    /// <summary>Whether so many more fit at a moment. All that are noted were granted before, also those that count from a moment later on.</summary>
    public bool Fits(DateTimeOffset at, int permits) => windows.All(window =>
        _grants.Where(grant => grant.At > at - window.Duration).Sum(grant => grant.Permits) + permits <= window.Limit);

    /// <summary>When the permits are free, if no more are granted.</summary>
    public DateTimeOffset FreeAt(DateTimeOffset from, int permits)
    {
        var moments = _grants.SelectMany(grant => windows.Select(window => grant.At + window.Duration)).Where(at => at > from).Order();
        return Fits(from, permits) ? from : moments.First(at => Fits(at, permits));
    }

    public void Note(DateTimeOffset at, int permits) => _grants.Add((at, permits));

    public void Forget() => _grants.Clear();

    /// <summary>Asserts that no window was ever over its limit.</summary>
    public static void AssertExact(IEnumerable<(DateTimeOffset At, int Permits)> grants, params RateLimitWindow[] windows)
    {
        var ordered = grants.OrderBy(grant => grant.At).ToList();
        foreach (var window in windows)
        {
            var (first, used) = (0, 0L);
            foreach (var (at, permits) in ordered)
            {
                used += permits;
                while (ordered[first].At <= at - window.Duration) used -= ordered[first++].Permits;
                Assert.True(used <= window.Limit, $"{used} permits in {window} up to {at:O}");
            }
        }
    }
}
