namespace Actors.Fault.Tests;

/// <summary>
/// A trial of a deployment: three client processes put load on it, a fault occurs, the deployment is healed, the loads end,
/// and the ledgers are compared with cluster and database. No acknowledged write may be missing or wrong; the tests assert
/// further properties of the results.
/// </summary>
/// <param name="deployment">The deployment.</param>
/// <param name="output">Receives the results.</param>
/// <param name="responseTimeout">The response timeout of the calls, if not the default.</param>
internal sealed class Trial(Deployment deployment, ITestOutputHelper output, TimeSpan? responseTimeout = null)
{
    private const int Users = 200;

    // Leaves the machine time for the fault; the assertions do not depend on the amount of load.
    private const int CallsPerSecond = 300;
    private static readonly TimeSpan Aftermath = TimeSpan.FromSeconds(2);

    // Gives each trial of a shared deployment its own users.
    private readonly string _name = $"t{Guid.NewGuid().ToString("n")[..6]}";

    /// <summary>
    /// Whether database writes have request ids and are retried until their receipt is known. Journal writes never do.
    /// </summary>
    public bool HasRequestIds { get; init; } = true;

    /// <summary>The results of writes with journal durability.</summary>
    public LoadResult Journal { get; private set; } = null!;

    /// <summary>The results of writes with database durability.</summary>
    public LoadResult Database { get; private set; } = null!;

    /// <summary>The results of reads of users in memory.</summary>
    public LoadResult Reads { get; private set; } = null!;

    public IReadOnlyList<LoadResult> All => [Journal, Database, Reads];

    /// <summary>The failures of all three loads, by type.</summary>
    public IReadOnlyCollection<string> Failures => [.. All.SelectMany(load => load.Failures.Keys).Distinct().Order()];

    public async Task RunAsync(Func<Task> happens)
    {
        await deployment.WatchRowsAsync();
        LoadOptions options = new($"{_name}-journal") { Users = Users, Concurrency = 24, Rate = CallsPerSecond };
        options = options with { ResponseTimeout = responseTimeout ?? options.ResponseTimeout };
        using var journal = deployment.StartLoad(options);
        using var database = deployment.StartLoad(options with { Name = $"{_name}-database", Durability = "database", HasRequestIds = HasRequestIds });
        using var reads = deployment.StartLoad(options with { Name = $"{_name}-reads", IsReads = true, Concurrency = 8, Prefix = options.Prefix });

        // Every user was written and is therefore in memory.
        await Task.WhenAll(journal.SucceededAsync(2 * Users), database.SucceededAsync(2 * Users), reads.SucceededAsync(Users));
        await happens();
        await deployment.HealAsync(output.WriteLine);
        await Task.Delay(Aftermath);
        var results = await Task.WhenAll(journal.StopAsync(), database.StopAsync(), reads.StopAsync());
        (Journal, Database, Reads) = (results[0], results[1], results[2]);
        foreach (var result in results) output.WriteLine(result.ToString());

        var verdict = await LedgerCheck.RunAsync(deployment, results);
        output.WriteLine(verdict.ToString());
        Assert.True(verdict.IsClean, $"{Describe()}\n{verdict}\n{deployment.Describe()}");
    }

    public string Describe() => string.Join('\n', All);
}
