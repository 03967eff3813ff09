using System.Globalization;
using Actors.Harness;

namespace Actors.Soak;

/// <summary>One soak run: servers, silos and loads start, faults occur, the loads end, and the ledgers are checked.</summary>
internal sealed class SoakRun(SoakOptions options)
{
    private const int Clean = 0;
    private const int Wrong = 1;

    // Longer than a commit may take, but shorter than the usual timeout for a killed silo.
    private static readonly TimeSpan ResponseTimeout = TimeSpan.FromSeconds(12);

    // PostgreSQL may be down for any length of time, according to the guarantee.
    private static readonly TimeSpan LongestOutage = TimeSpan.FromSeconds(40);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("actors-soak-");

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        using var line = new ProgressLine();
        using var diary = new Diary(Path.Combine(_directory.FullName, "soak.log"), line);
        diary.Write($"seed {options.Seed}; logs, ledgers and timelines in {_directory.FullName}");
        var isClean = false;
        try
        {
            isClean = await RunAsync(diary, line, cancellationToken);
        }
        catch (Exception error)
        {
            diary.Write($"FAILED: {error}");
        }

        if (!isClean)
            diary.Write($"To repeat the faults: --seed {options.Seed}. Logs, ledgers and timelines are in {_directory.FullName}");
        diary.Dispose();
        if (isClean && !options.Keeps) _directory.Delete(recursive: true);
        return isClean ? Clean : Wrong;
    }

    private async Task<bool> RunAsync(Diary diary, ProgressLine line, CancellationToken cancellationToken)
    {
        diary.Write($"starting Redis, PostgreSQL and {options.Silos} silos");
        await using var deployment = await Deployment.StartAsync(
            options.Silos, new(HasLinks: true, Directory: _directory.FullName));
        await deployment.WatchRowsAsync();
        var loads = Loads().Select(deployment.StartLoad).ToList();
        try
        {
            foreach (var load in loads) await load.SucceededAsync(options.Concurrency);

            var schedule = new Schedule(options.Seed, options.Faults, options.Overlaps, LongestOutage);
            using var end = new CancellationTokenSource();
            var telling = TellAsync(line, loads, schedule, end.Token);
            try
            {
                await schedule.RunAsync(deployment, options.Duration, diary.Write, cancellationToken);
            }
            finally
            {
                await end.CancelAsync();
                await telling;
            }

            diary.Write($"{schedule.Count} faults; ending the loads");
            var results = await Task.WhenAll(loads.Select(load => load.StopAsync()));
            foreach (var result in results) diary.Write(result.ToString());

            diary.Write("comparing the ledgers with cluster and database");
            var verdict = await LedgerCheck.RunAsync(deployment, results);
            diary.Write(verdict.ToString());
            return verdict.IsClean;
        }
        finally
        {
            foreach (var load in loads) load.Dispose();
            await File.WriteAllTextAsync(Path.Combine(_directory.FullName, "servers.log"), deployment.Describe(), CancellationToken.None);
        }
    }

    private IEnumerable<LoadOptions> Loads()
    {
        LoadOptions load = new("journal") { Users = options.Users, Concurrency = options.Concurrency, ResponseTimeout = ResponseTimeout };
        return
        [
            load,
            load with { Name = "database", Durability = "database" },
            load with { Name = "requests", Durability = "journal,database", HasRequestIds = true },
            load with { Name = "reads", IsReads = true, Prefix = load.Prefix },
        ];
    }

    /// <summary>Redraws the progress line each second: time, calls, current step.</summary>
    private static async Task TellAsync(ProgressLine line, IReadOnlyList<LoadRun> loads, Schedule schedule, CancellationToken end)
    {
        var began = DateTime.UtcNow;
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        try
        {
            while (await timer.WaitForNextTickAsync(end))
            {
                var seconds = loads.Select(load => load.Timeline).ToList();
                var acknowledged = loads.Zip(seconds).Where(load => !load.First.Options.IsReads).Sum(load => load.Second.Sum(each => each.Succeeded));
                var failed = seconds.Sum(timeline => timeline.Sum(each => each.Failed));
                var now = seconds.Sum(timeline => timeline.Count == 0 ? 0 : timeline[^1].Succeeded);
                line.Tell(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{DateTime.UtcNow - began:hh\\:mm\\:ss}  {acknowledged:#,0} writes acknowledged, {failed:#,0} calls failed, {now:#,0} calls/s  {schedule.Count} faults, now: {schedule.Current}"));
            }
        }
        catch (OperationCanceledException)
        {
            // The faults have ended.
        }
    }
}
