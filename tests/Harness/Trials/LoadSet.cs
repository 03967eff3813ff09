namespace Actors.Harness.Trials;

/// <summary>Loads that run in parallel, each in a separate client process.</summary>
public sealed class LoadSet : IDisposable
{
    // Longer than a commit may take, but shorter than the usual timeout for a killed silo.
    private static readonly TimeSpan ResponseTimeout = TimeSpan.FromSeconds(12);

    private readonly IReadOnlyList<LoadRun> _loads;

    private LoadSet(IReadOnlyList<LoadRun> loads) => _loads = loads;

    public IReadOnlyList<LoadRun> Loads => _loads;

    /// <summary>
    /// Watches the rows, starts writes with journal and with database durability, both without request ids, and returns once both
    /// are running.
    /// </summary>
    public static Task<LoadSet> WritesAsync(Deployment deployment, TrialOptions options) =>
        StartAsync(deployment, OfJournal(options), OfDatabase(options));

    /// <summary>Like <see cref="WritesAsync"/>, with reads.</summary>
    public static Task<LoadSet> AllAsync(Deployment deployment, TrialOptions options) => StartAsync(
        deployment, OfJournal(options), OfDatabase(options),
        OfJournal(options) with { Name = $"{options.Tag}-reads", IsReads = true, Concurrency = 8, Prefix = OfJournal(options).Prefix });

    /// <summary>Starts these loads and returns once each is running.</summary>
    public static async Task<LoadSet> StartAsync(Deployment deployment, params LoadOptions[] options)
    {
        await deployment.WatchRowsAsync();
        var set = new LoadSet([.. options.Select(deployment.StartLoad)]);
        try
        {
            await Task.WhenAll(set._loads.Select(load => load.SucceededAsync(Math.Min(2 * load.Options.Users, 2_000))));
            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    /// <summary>Ends the loads and logs their results.</summary>
    public async Task<IReadOnlyList<LoadResult>> StopAsync(Action<string> tell)
    {
        var results = await Task.WhenAll(_loads.Select(load => load.StopAsync()));
        foreach (var result in results) tell(result.ToString());
        return results;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var load in _loads) load.Dispose();
    }

    private static LoadOptions OfJournal(TrialOptions options) => new($"{options.Tag}-journal")
    {
        Users = options.Users ?? 1_000,
        Concurrency = 24,
        Rate = options.Rate,
        ResponseTimeout = ResponseTimeout,
        Environment = LoadOptions.Together,
    };

    private static LoadOptions OfDatabase(TrialOptions options) =>
        OfJournal(options) with { Name = $"{options.Tag}-database", Durability = "database", Prefix = $"{options.Tag}-database-" };
}
