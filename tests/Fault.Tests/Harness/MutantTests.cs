using System.Text.Json;
using System.Text.RegularExpressions;

namespace Actors.Fault.Tests.Harness;

/// <summary>
/// Histories with a broken guarantee: the real history of a load, with the rows and ledger lines of some users changed as one
/// defect each would leave them. Memory and journal are lost, as after a crash. The check must find each defect and nothing
/// else; a check that cannot fail proves nothing.
/// </summary>
public sealed partial class MutantTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const string Named = "named";
    private const string Plain = "plain";
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(1);

    private Deployment _deployment = null!;

    public async ValueTask InitializeAsync() => _deployment = await Deployment.StartAsync(silos: 1);

    public ValueTask DisposeAsync() => _deployment.DisposeAsync();

    [Fact]
    public async Task Each_broken_guarantee_is_detected_without_false_alarms()
    {
        var history = await RecordAsync();
        var clean = await LedgerCheck.RunAsync(_deployment, history);
        Assert.True(clean.IsClean, clean.ToString());

        Assert.Equal((24, history.Sum(load => load.Succeeded)), (clean.Users, clean.AcknowledgedWrites));

        var fewer = await LedgerCheck.RunAsync(_deployment, [history[0] with { Succeeded = history[0].Succeeded - 1 }]);
        Assert.Contains("writes took effect, but only", Assert.Single(fewer.Findings), StringComparison.Ordinal);

        // The state in memory and journal would contradict the changed rows.
        await _deployment.Silo(0).StopAsync();
        await MembershipTable.EmptyAsync(_deployment);

        Dictionary<string, string> expected = new()
        {
            // Acknowledged before it was journaled, then the silo died.
            [await BackAsync(Named, 1, versions: 1)] = "stale: named-1: the database has version",

            // No fence: a former owner's row over a newer one; its state at the same version; both acknowledged.
            [await BackAsync(Plain, 2, versions: 2)] = "stale: plain-2: the database has version",
            [await StateAsync(Plain, 3, """'{attributes,load}', '"of a former owner"'""")] = "wrong: plain-3: version",
            [AcknowledgedTwice(history, 4)] = "wrong: plain-4: version 2 was acknowledged twice",

            // A journal entry deleted because an older one was flushed.
            [await BackAsync(Plain, 5, versions: 3)] = "stale: plain-5: the database has version",

            // Counted twice: an increment, and a whole write.
            [await StateAsync(Named, 6, "'{counters,writes}', to_jsonb(version + 1)")] = "wrong: named-6: version",
            [await StateAsync(Plain, 7, "'{counters,writes}', to_jsonb(version + 1)")] = "users have a counter that differs from their version, e.g. plain-7",
            [await TwiceAsync(8)] = "users have more writes than were requested, e.g. named-8",

            // Reverted and restored before any check.
            [await BackAndForwardAsync(9)] = "users had a row that was reverted meanwhile, e.g. plain-9 went from version",

            [await MissingAsync(10)] = "missing: named-10: not in the database",
            [await StateAsync(Named, 11, """'{attributes,load}', '"other"'""")] = "wrong: named-11: version",
        };
        await _deployment.RestartSiloAsync(0);

        var verdict = await LedgerCheck.RunAsync(_deployment, history, FlushLimit);
        output.WriteLine(verdict.ToString());
        var found = string.Join('\n', verdict.Findings);
        Assert.Contains("users were not flushed to the database within", found, StringComparison.Ordinal);
        Assert.All(expected.Values, finding => Assert.Contains(finding, found, StringComparison.Ordinal));
        Assert.Equal(expected.Keys.Order(), Users().Matches(found).Select(match => match.Value).Distinct().Order());
    }

    private async Task<LoadResult[]> RecordAsync()
    {
        await _deployment.WatchRowsAsync();
        LoadOptions load = new(Named) { Users = 12, Concurrency = 4, HasRequestIds = true };
        using var named = _deployment.StartLoad(load);
        using var plain = _deployment.StartLoad(load with { Name = Plain, Prefix = $"{Plain}-", HasRequestIds = false });
        await Task.WhenAll(named.SucceededAsync(200), plain.SucceededAsync(200));
        var history = await Task.WhenAll(named.StopAsync(), plain.StopAsync());
        await _deployment.SettleAsync();
        return history;
    }

    /// <summary>Reverts the row by some versions according to the ledger.</summary>
    private async Task<string> BackAsync(string load, int number, int versions)
    {
        var id = $"{load}-{number}";
        var version = await _deployment.QueryAsync<long>($"SELECT version FROM users WHERE id = '{id}'") - versions;
        var then = File.ReadLines(Path.Combine(_deployment.Directory, $"{load}.ledger")).Select(line => JsonDocument.Parse(line).RootElement)
            .Single(entry => entry.GetProperty("id").GetString() == id && entry.GetProperty("version").GetInt64() == version);
        var token = then.GetProperty("state").GetProperty("attributes").GetProperty("load").GetRawText();
        return await UnwatchedAsync(id,
            $$"""UPDATE users SET version = {{version}}, state = jsonb_set(jsonb_set(state, '{attributes,load}', '{{token}}'), '{counters,writes}', '{{version}}') WHERE id = '{{id}}'""");
    }

    private Task<string> StateAsync(string load, int number, string change) =>
        UnwatchedAsync($"{load}-{number}", $"UPDATE users SET state = jsonb_set(state, {change}) WHERE id = '{load}-{number}'");

    private Task<string> TwiceAsync(int number) => UnwatchedAsync($"{Named}-{number}",
        $$"""UPDATE users SET version = version + 1, state = jsonb_set(state, '{counters,writes}', to_jsonb(version + 1)) WHERE id = '{{Named}}-{{number}}'""");

    private Task<string> MissingAsync(int number) =>
        UnwatchedAsync($"{Named}-{number}", $"DELETE FROM users WHERE id = '{Named}-{number}'");

    private async Task<string> BackAndForwardAsync(int number)
    {
        await _deployment.ExecuteAsync($"UPDATE users SET version = version - 1 WHERE id = '{Plain}-{number}'");
        await _deployment.ExecuteAsync($"UPDATE users SET version = version + 1 WHERE id = '{Plain}-{number}'");
        return $"{Plain}-{number}";
    }

    private static string AcknowledgedTwice(LoadResult[] history, int number)
    {
        File.AppendAllText(history.Single(load => load.Options.Name == Plain).Ledger,
            $"{{\"id\":\"{Plain}-{number}\",\"version\":2,\"durability\":\"journal\",\"state\":{{}}}}\n");
        return $"{Plain}-{number}";
    }

    // Otherwise the row watch would report the change, rather than the checks of its result.
    private async Task<string> UnwatchedAsync(string id, string change)
    {
        await _deployment.ExecuteAsync($"SET session_replication_role = replica; {change}; SET session_replication_role = origin");
        return id;
    }

    [GeneratedRegex($"({Named}|{Plain})-[0-9]+")]
    private static partial Regex Users();
}
