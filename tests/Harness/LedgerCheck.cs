namespace Actors.Harness;

/// <summary>The findings after a load of writes.</summary>
public sealed record LedgerVerdict(IReadOnlyList<string> Findings, long AcknowledgedWrites, long Users) : Verdict(Findings)
{
    /// <inheritdoc/>
    public override string ToString() => IsClean
        ? $"{Users:#,0} users, {AcknowledgedWrites:#,0} acknowledged writes: none missing, none wrong"
        : $"{Users:#,0} users, {AcknowledgedWrites:#,0} acknowledged writes; WRONG:\n{string.Join('\n', Findings)}";
}

/// <summary>
/// Compares acknowledged writes with the stored state, once all loads have ended and all faults are healed. First the database
/// alone, without calls: acknowledged writes must reach it by themselves. Then <c>actors verify</c>, which also reads every
/// user through the cluster. Then the database again: no row was ever reverted (<see cref="RowWatch"/>).
/// </summary>
public static class LedgerCheck
{
    private const int MostNamed = 5;
    private static readonly TimeSpan UsualFlushLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan VerifyLimit = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    /// <summary>Checks the ledgers of loads that have ended.</summary>
    /// <param name="deployment">Their deployment.</param>
    /// <param name="loads">Their results; reads have no ledger and are skipped.</param>
    /// <param name="flushLimit">The maximum time until acknowledged writes are in the database.</param>
    public static async Task<LedgerVerdict> RunAsync(Deployment deployment, IEnumerable<LoadResult> loads, TimeSpan? flushLimit = null)
    {
        var findings = new List<string>();
        var (writes, users) = (0L, 0L);
        foreach (var load in loads.Where(load => !load.Options.IsReads))
        {
            var acknowledged = Acknowledged.Read(load.Ledger);
            writes += acknowledged.Writes.Values.Sum();
            users += acknowledged.Versions.Count;
            var found = await CheckAsync(deployment, load, acknowledged, flushLimit ?? UsualFlushLimit);
            findings.AddRange(found.Select(finding => $"{load.Options.Name}: {finding}"));
        }
        return new(findings, writes, users);
    }

    private static async Task<List<string>> CheckAsync(Deployment deployment, LoadResult load, Acknowledged acknowledged, TimeSpan flushLimit)
    {
        var findings = new List<string>();
        await using var database = deployment.Connect();

        var deadline = DateTime.UtcNow + flushLimit;
        var rows = await StoredRow.ReadAsync(database, load.Options.Prefix);
        while (acknowledged.Behind(rows).Any() && DateTime.UtcNow < deadline)
        {
            await Task.Delay(Look);
            rows = await StoredRow.ReadAsync(database, load.Options.Prefix);
        }
        Blame(findings, $"were not flushed to the database within {flushLimit.TotalSeconds} s without a call", acknowledged.Behind(rows));

        using (var verify = deployment.StartCli("verify", "--ledger", load.Ledger))
        {
            var run = await verify.CompletedAsync(VerifyLimit);
            if (run.ExitCode != 0) findings.Add($"actors verify: {run}");
        }

        var after = await StoredRow.ReadAsync(database, load.Options.Prefix);
        Blame(findings, "are behind in the database", acknowledged.Behind(after));
        Blame(findings, "were reverted in the database", rows
            .Where(row => !after.TryGetValue(row.Key, out var later) || later.Version < row.Value.Version)
            .Select(row => $"{row.Key} was at version {row.Value.Version}"));
        Blame(findings, "had a row that was reverted meanwhile", await RowWatch.SeenAsync(database, load.Options.Prefix));
        BlameCounts(findings, load, acknowledged, after);
        return findings;
    }

    /// <summary>
    /// Each write adds one to the version and one to the counter, atomically. A write requested once takes effect at most once,
    /// whatever its response.
    /// </summary>
    private static void BlameCounts(List<string> findings, LoadResult load, Acknowledged acknowledged, Dictionary<string, StoredRow> rows)
    {
        Blame(findings, "have a counter that differs from their version", rows
            .Where(row => row.Value.Count != row.Value.Version)
            .Select(row => $"{row.Key} has version {row.Value.Version} and counts {row.Value.Count} writes"));
        var unanswered = load.Failed + load.Abandoned;
        Blame(findings, "have more writes than were requested", rows
            .Where(row => row.Value.Version > acknowledged.Writes.GetValueOrDefault(row.Key) + unanswered)
            .Select(row => $"{row.Key} has version {row.Value.Version} after {acknowledged.Writes.GetValueOrDefault(row.Key)} acknowledged writes"));
        var effects = rows.Values.Sum(row => row.Version);
        var asked = load.Succeeded + unanswered;
        if (effects > asked) findings.Add($"{effects:#,0} writes took effect, but only {asked:#,0} were requested");
    }

    private static void Blame(List<string> findings, string what, IEnumerable<string> users)
    {
        var all = users.ToList();
        if (all.Count > 0) findings.Add($"{all.Count:#,0} users {what}, e.g. {string.Join("; ", all.Take(MostNamed))}");
    }
}
