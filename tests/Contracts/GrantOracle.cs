namespace Actors.Contracts;

/// <summary>
/// The decisions of an exact limiter by definition: permits granted in (t - duration, t] are counted one by one. It shares no
/// code with the limiter.
/// </summary>
internal sealed class GrantOracle(params RateLimitWindow[] windows)
{
    private readonly List<(DateTimeOffset At, int Permits)> _grants = [];

    /// <summary>Whether these permits fit at this time. All recorded grants were made earlier, even if they count from a later time.</summary>
    public bool Fits(DateTimeOffset at, int permits) => windows.All(window =>
        _grants.Where(grant => grant.At > at - window.Duration).Sum(grant => grant.Permits) + permits <= window.Limit);

    /// <summary>The time at which the permits are free without further grants.</summary>
    public DateTimeOffset FreeAt(DateTimeOffset from, int permits)
    {
        var moments = _grants.SelectMany(grant => windows.Select(window => grant.At + window.Duration)).Where(at => at > from).Order();
        return Fits(from, permits) ? from : moments.First(at => Fits(at, permits));
    }

    public void Note(DateTimeOffset at, int permits) => _grants.Add((at, permits));

    public void Forget() => _grants.Clear();

    /// <summary>Asserts that no window exceeded its limit.</summary>
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
