using System.Globalization;
using Actors.Fixtures;

namespace Actors.Harness;

/// <summary>A running load in a separate client process.</summary>
public sealed class LoadRun : IDisposable
{
    private const int Interrupted = 130;
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(1);

    // A write in flight is awaited and, with a request id, retried; each attempt may take 30 s.
    private static readonly TimeSpan StopLimit = TimeSpan.FromMinutes(3);

    private readonly RunningProgram _program;
    private readonly TimelineFile _timeline;

    private LoadRun(LoadOptions options, RunningProgram program, string ledger, TimelineFile timeline)
    {
        Options = options;
        Ledger = ledger;
        _program = program;
        _timeline = timeline;
    }

    /// <summary>The options of the load.</summary>
    public LoadOptions Options { get; }

    /// <summary>The ledger of acknowledged writes or grants; complete once the load has ended. Empty for reads.</summary>
    public string Ledger { get; }

    /// <summary>One line per completed second.</summary>
    public IReadOnlyList<TimelineSecond> Timeline => _timeline.Read();

    /// <summary>The successful calls until the end of the last completed second.</summary>
    public long Succeeded => Timeline.Sum(second => second.Succeeded);

    internal static LoadRun Start(Deployment deployment, LoadOptions options)
    {
        var timeline = Path.Combine(deployment.Directory, $"{options.Name}.timeline");
        var ledger = options.IsReads ? "" : Path.Combine(deployment.Directory, $"{options.Name}.ledger");
        List<string> arguments =
        [
            "load", options.IsReads ? "reads" : options.Limits is null ? "writes" : "limits", "--json",
            "--seconds", ((int)options.Duration.TotalSeconds).ToString(CultureInfo.InvariantCulture),
            "--users", $"{options.Users}", "--concurrency", $"{options.Concurrency}", "--prefix", options.Prefix, "--timeline", timeline,
            "--rate", $"{options.Rate ?? 0}",
        ];
        if (!options.IsReads) arguments.AddRange(["--ledger", ledger]);
        if (options.Limits is { } limits)
        {
            arguments.AddRange(["--policy", limits.Policy, "--permits", "random", "--on-denied", limits.Spins ? "spin" : "wait"]);
            arguments.AddRange(["--wait", string.Create(CultureInfo.InvariantCulture, $"{limits.Wait.TotalMilliseconds:0}ms")]);
        }
        else if (!options.IsReads)
        {
            arguments.AddRange(["--durability", options.Durability]);
        }
        if (options.HasRequestIds) arguments.Add("--request-ids");
        var environment = new Dictionary<string, string>(deployment.Environment)
        {
            ["Actors__Client__ResponseTimeout"] = options.ResponseTimeout.ToString("c", CultureInfo.InvariantCulture),
        };
        foreach (var (name, value) in options.Environment) environment[name] = value;
        var program = RunningProgram.Start(DotnetProgram.Cli, deployment.Directory, environment, [.. arguments]);
        return new(options, program, ledger, new(timeline));
    }

    /// <summary>Returns once this number of calls has succeeded.</summary>
    public Task SucceededAsync(long calls, TimeSpan? limit = null) => Eventually.IsTrueAsync(
        async () => _program.HasExited
            ? throw new InvalidOperationException($"The load '{Options.Name}' ended early: {await _program.CompletedAsync(StopLimit)}")
            : Succeeded >= calls,
        limit ?? StartLimit);

    /// <summary>Stops the load and returns its result once the calls in flight have ended.</summary>
    public Task<LoadResult> StopAsync()
    {
        // Like Ctrl-C. Not SIGINT, which background processes of a shell ignore.
        if (!_program.HasExited) _program.Signal(Signals.Terminate);
        return CompletedAsync(StopLimit);
    }

    /// <summary>Returns its result once its duration has passed.</summary>
    public Task<LoadResult> CompletedAsync() => CompletedAsync(Options.Duration + StopLimit);

    /// <summary>Kills it if it still runs.</summary>
    public void Dispose() => _program.Dispose();

    private async Task<LoadResult> CompletedAsync(TimeSpan limit)
    {
        var run = await _program.CompletedAsync(limit);
        if (run.ExitCode is not (0 or Interrupted)) throw new InvalidOperationException($"The load '{Options.Name}' failed: {run}");
        return LoadResult.Parse(run.Output) with { Options = Options, Ledger = Ledger, Timeline = Timeline };
    }
}
