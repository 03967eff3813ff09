namespace Actors.Fault.Tests;

/// <summary>
/// A trial of a deployment: three client processes put load on it, something happens in their midst, all is healed, the
/// loads end, and the ledgers are held against cluster and database. Whatever the fault, nothing acknowledged may be
/// missing or wrong; what else must hold, the test says of the results.
/// </summary>
/// <param name="deployment">The deployment.</param>
/// <param name="output">Where the results are printed.</param>
/// <param name="responseTimeout">How long calls wait for their answer, where not as long as usual.</param>
internal sealed class Trial(Deployment deployment, ITestOutputHelper output, TimeSpan? responseTimeout = null)
{
    private const int Users = 200;

    // So that the machine has time for what happens: what must hold does not depend on how much is done beside it.
    private const int CallsPerSecond = 300;
    private static readonly TimeSpan Aftermath = TimeSpan.FromSeconds(2);

    // So that each trial of a shared deployment has users of its own.
    private readonly string _name = $"t{Guid.NewGuid().ToString("n")[..6]}";

    /// <summary>
    /// Whether the writes that ask for the database are named, and repeated until their receipt is known. Those that ask
    /// for the journal never are.
    /// </summary>
    public bool HasRequestIds { get; init; } = true;

    /// <summary>The writes that ask for the journal.</summary>
    public LoadResult Journal { get; private set; } = null!;

    /// <summary>The writes that ask for the database.</summary>
    public LoadResult Database { get; private set; } = null!;

    /// <summary>The reads, of users that are in memory.</summary>
    public LoadResult Reads { get; private set; } = null!;

    /// <summary>All three.</summary>
    public IReadOnlyList<LoadResult> All => [Journal, Database, Reads];

    /// <summary>The failures of all three, by type.</summary>
    public IReadOnlyCollection<string> Failures => [.. All.SelectMany(load => load.Failures.Keys).Distinct().Order()];

    public async Task RunAsync(Func<Task> happens)
    {
        await deployment.WatchRowsAsync();
        LoadOptions options = new($"{_name}-journal") { Users = Users, Concurrency = 24, Rate = CallsPerSecond };
        options = options with { ResponseTimeout = responseTimeout ?? options.ResponseTimeout };
        using var journal = deployment.StartLoad(options);
        using var database = deployment.StartLoad(options with { Name = $"{_name}-database", Durability = "database", HasRequestIds = HasRequestIds });
        using var reads = deployment.StartLoad(options with { Name = $"{_name}-reads", IsReads = true, Concurrency = 8, Prefix = options.Prefix });

        // Every user was written, so every user is in memory.
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

    /// <summary>The results, for messages.</summary>
    public string Describe() => string.Join('\n', All);
}
