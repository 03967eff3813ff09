namespace Actors.Fault.Tests.Harness;

/// <summary>The check of a ledger finds what is made wrong behind the cluster's back. One that could not fail would prove nothing.</summary>
public sealed class LedgerCheckTests
{
    private const string Name = "checked";
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(2);

    [Fact]
    public async Task What_the_database_contradicts_is_found()
    {
        await using var deployment = await Deployment.StartAsync(silos: 1);
        using var load = deployment.StartLoad(new(Name) { Users = 20, Concurrency = 4, HasRequestIds = true });
        await load.SucceededAsync(100);
        var result = await load.StopAsync();
        var clean = await LedgerCheck.RunAsync(deployment, [result]);
        Assert.True(clean.IsClean, clean.ToString());
        Assert.Equal((20, result.Succeeded), (clean.Users, clean.AcknowledgedWrites));

        var twice = await LedgerCheck.RunAsync(deployment, [result with { Succeeded = result.Succeeded - 1, Abandoned = 0 }]);
        Assert.Contains("writes took effect, and no more than", Assert.Single(twice.Findings), StringComparison.Ordinal);

        await deployment.QueryAsync<string>($"DELETE FROM users WHERE id = '{Name}-1' RETURNING id");
        await deployment.QueryAsync<string>($"UPDATE users SET version = version - 1 WHERE id = '{Name}-2' RETURNING id");
        await deployment.QueryAsync<string>(
            $$"""UPDATE users SET state = jsonb_set(state, '{attributes,load}', '"other"') WHERE id = '{{Name}}-3' RETURNING id""");
        await deployment.QueryAsync<string>(
            $$"""UPDATE users SET state = jsonb_set(state, '{counters,writes}', to_jsonb(version + 1)) WHERE id = '{{Name}}-4' RETURNING id""");
        var found = string.Join('\n', (await LedgerCheck.RunAsync(deployment, [result], FlushLimit)).Findings);
        foreach (var finding in (string[])
            [
                "2 users did not get into the database by themselves", $"{Name}-1 was acknowledged at version", "is not there",
                $"missing: {Name}-1: not in the database", $"stale: {Name}-2: the database has version", $"wrong: {Name}-3: version",
                $"wrong: {Name}-4: version", "2 users have a counter that is not their version",
            ])
        {
            Assert.Contains(finding, found, StringComparison.Ordinal);
        }
    }
}
