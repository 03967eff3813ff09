namespace Actors.Harness.Limits;

/// <summary>
/// Compares recorded grants with the windows of their policy: no window exceeds its limit by the clock of Redis or by the
/// callers' clocks, and fault-free intervals reach the allowance within 2 %.
/// </summary>
public static class LimitCheck
{
    /// <summary>The minimum share of the allowance, unless the interval sets another.</summary>
    public const double LeastShare = 0.98;

    // Silos know the clock of Redis to within a round trip, which may be long on a busy machine.
    private const double MostOutsideMs = 500;

    private const int MostNamed = 5;

    /// <summary>Checks the grants of several processes by one policy.</summary>
    /// <param name="ledgers">The grants of each process.</param>
    /// <param name="windows">The windows of the policy.</param>
    /// <param name="steady">The fault-free intervals in which demand exceeded the limit.</param>
    public static LimitReport Run(IReadOnlyList<GrantLedger> ledgers, IReadOnlyList<LimitWindow> windows, params IReadOnlyList<Steady> steady)
    {
        var all = ledgers.SelectMany(ledger => ledger.Grants).ToList();
        var clients = Of(all);
        var findings = new List<string>();
        if (all.Count == 0) findings.Add("no permit was granted");

        var reports = new List<WindowReport>();
        foreach (var window in windows)
        {
            var byServer = clients.Select(client => Exactness.ByServer(client, window)).ToList();
            var byCaller = ledgers.SelectMany(ledger => Of(ledger.Grants)).Select(client => Exactness.ByCaller(client, window)).ToList();
            Blame(findings, window, "by server time, in the window that ends with", byServer);
            Blame(findings, window, "by the caller's clock, in the window that begins with", byCaller);
            reports.Add(new(window, Fullest(byServer), Fullest(byCaller)));
        }

        var shares = steady.Where(_ => clients.Count > 0).Select(part => ShareOf(clients, windows, part)).ToList();
        findings.AddRange(shares.Where(share => share.All < share.Steady.LeastShare).Select(share => $"too little granted: {share}"));
        var outside = ledgers.Select(OutsideOfCall).DefaultIfEmpty().Max() * 1000;
        if (outside > MostOutsideMs) findings.Add(FormattableString.Invariant($"decisions lie outside their calls by up to {outside:0.0} ms: the limiter used another clock than that of Redis"));
        var sources = all.GroupBy(grant => grant.Source).OrderBy(group => group.Key).ToDictionary(group => group.Key, group => (long)group.Count());
        return new(
            all.Count, all.Sum(grant => (long)grant.Permits), clients.Count, sources, reports, shares,
            outside, findings);
    }

    private static List<List<Grant>> Of(IEnumerable<Grant> grants) =>
        [.. grants.GroupBy(grant => (grant.Client, grant.Policy)).Select(group => group.ToList())];

    private static FullestWindow Fullest(List<FullestWindow> windows) => windows.DefaultIfEmpty().MaxBy(window => window.Permits);

    private static void Blame(List<string> findings, LimitWindow window, string where, List<FullestWindow> fullest)
    {
        var over = fullest.Where(each => each.Permits > window.Limit).OrderByDescending(each => each.Permits).ToList();
        findings.AddRange(over.Take(MostNamed).Select(each => $"{window}: {each.Permits} permits {where} {each.Last}"));
        if (over.Count > MostNamed) findings.Add($"{window}: {over.Count - MostNamed} more clients exceed the limit, {where} one of their grants");
    }

    private static ShareReport ShareOf(List<List<Grant>> clients, IReadOnlyList<LimitWindow> windows, Steady part)
    {
        var shares = clients.Select(client => (client[0].Client, Share: Allowance.Of(client, windows, part))).ToList();
        var least = shares.MinBy(each => each.Share.Value);
        return new(part, shares.Aggregate(default(Share), (sum, each) => sum + each.Share).Value, least.Share.Value, least.Client);
    }

    private static double OutsideOfCall(GrantLedger ledger)
    {
        if (ledger.Grants.Count == 0) return 0;
        var least = ledger.Grants.Max(grant => (grant.At / 1e6) - grant.Ended);
        var most = ledger.Grants.Min(grant => (grant.At / 1e6) - grant.Began);
        return Math.Max(0, least - most);
    }
}
