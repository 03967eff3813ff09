using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Connection;
using Actors.Cli.Output;

namespace Actors.Cli.Load;

/// <summary><c>actors load writes|reads|limits</c></summary>
internal static class LoadCommand
{
    private const int MostCallsPerSecond = 1_000_000;

    public static Command Create(CommandContext context) => new("load", "Generate load on the cluster and measure it.")
    {
        Writes(context),
        Reads(context),
        LimitLoadCommand.Create(context),
    };

    public static Option<int> Seconds() => OptionKinds.Number("--seconds", "Duration in seconds.", 10, 1, 86_400);

    private static Option<int> Users() => OptionKinds.Number("--users", "Number of users.", 10_000, 1, 10_000_000);

    public static Option<int> Concurrency() => OptionKinds.Number("--concurrency", "Calls in flight.", 256, 1, 10_000);

    private static Option<string> Prefix() => new("--prefix")
    {
        Description = "Prefix of user names; a number from 0 follows.",
        HelpName = "P",
        DefaultValueFactory = _ => "load-",
    };

    public static Option<int> Rate() => OptionKinds.Number(
        "--rate", "Calls to start per second, independent of response times; 0: each caller calls again after its answer.",
        0, 0, MostCallsPerSecond);

    /// <summary>The value of <see cref="Rate"/>; null if each caller calls again after its answer.</summary>
    public static int? RateOf(ParseResult parsed, Option<int> rate) => parsed.GetValue(rate) is > 0 and var given ? given : null;

    public static Option<string?> Timeline() => OptionKinds.Word(
        "--timeline", "Write one JSON line per second to this file (overwritten) while the load runs.", "FILE");

    private static Command Writes(CommandContext context)
    {
        var (seconds, users, concurrency, rate, prefix, timeline) = (Seconds(), Users(), Concurrency(), Rate(), Prefix(), Timeline());
        var durabilities = OptionKinds.DurabilitiesOf(
            "The durability of each write; if several are given, one at random.",
            Durability.Memory, Durability.Journal, Durability.Database);
        var file = OptionKinds.Word(
            "--ledger", "Record every acknowledged write in this file (overwritten), for 'actors verify'.", "FILE");
        var requestIds = new Option<bool>("--request-ids")
        {
            Description = "Give each write a request id, repeat it until its receipt is known, and record exact counters in the ledger.",
        };
        var command = new Command("writes",
            "Write to users: each write sets a unique value and increments a counter. " +
            "Failed writes are counted; exit code 4 if no write was acknowledged.")
        {
            seconds, users, concurrency, rate, durabilities, file, timeline, prefix, requestIds,
        };
        command.SetAction((parsed, cancellationToken) => WriteAsync(
            context,
            parsed,
            TimeSpan.FromSeconds(parsed.GetValue(seconds)),
            new(parsed.GetValue(users), parsed.GetValue(concurrency), parsed.GetRequiredValue(durabilities),
                Checked(parsed.GetRequiredValue(prefix)), RateOf(parsed, rate), parsed.GetValue(requestIds)),
            parsed.GetValue(file),
            parsed.GetValue(timeline),
            cancellationToken));
        return command;
    }

    private static Command Reads(CommandContext context)
    {
        var (seconds, users, concurrency, rate, prefix, timeline) = (Seconds(), Users(), Concurrency(), Rate(), Prefix(), Timeline());
        var command = new Command("reads", "Read users at random. Exit code 4 if no read was answered.")
        {
            seconds, users, concurrency, rate, timeline, prefix,
        };
        command.SetAction((parsed, cancellationToken) => ReadAsync(
            context,
            parsed,
            TimeSpan.FromSeconds(parsed.GetValue(seconds)),
            (cluster, meter) => new(cluster, parsed.GetValue(users), parsed.GetValue(concurrency),
                Checked(parsed.GetRequiredValue(prefix)), RateOf(parsed, rate), meter, context.Time),
            parsed.GetValue(timeline),
            cancellationToken));
        return command;
    }

    private static async Task<int> WriteAsync(
        CommandContext context, ParseResult parsed, TimeSpan duration, WriteLoadPlan plan, string? file,
        string? timelineFile, CancellationToken cancellationToken)
    {
        using var cluster = await context.ConnectAsync(parsed, cancellationToken);
        await using var ledger = file is null ? null : new LedgerWriter<LedgerEntry>(file);
        await using var timeline = timelineFile is null ? null : new LoadTimeline(timelineFile, LoadOutcomes.Durabilities, context.Time);
        var meter = new LoadMeter(context.Time, timeline);
        var load = new WriteLoad(cluster, plan, meter, ledger, context.Time);
        await RunAsync(context, duration, meter, ProgressOf(context, meter, "writes acknowledged"), load.RunAsync, cancellationToken);
        if (timeline is not null)
            await timeline.CompleteAsync();
        if (ledger is not null)
            await ledger.CompleteAsync();

        if (parsed.IsJson())
        {
            var result = meter.ToJson();
            result["durabilities"] = meter.Durabilities;
            result["run"] = load.Run;
            if (ledger is not null)
                result["ledger"] = new { ledger.File, Entries = ledger.Written };
            context.Terminal.WriteJson(result);
        }
        else
        {
            meter.Write(context.Terminal, "writes acknowledged");
            if (ledger is not null)
                context.Terminal.WriteLine($"{Text.Count(ledger.Written, "entry", "entries")} in {ledger.File}");
        }
        return Outcome(meter, cancellationToken);
    }

    private static async Task<int> ReadAsync(
        CommandContext context, ParseResult parsed, TimeSpan duration, Func<ICluster, LoadMeter, ReadLoad> create,
        string? timelineFile, CancellationToken cancellationToken)
    {
        using var cluster = await context.ConnectAsync(parsed, cancellationToken);
        await using var timeline = timelineFile is null ? null : new LoadTimeline(timelineFile, outcomes: null, context.Time);
        var meter = new LoadMeter(context.Time, timeline);
        var load = create(cluster, meter);
        await RunAsync(context, duration, meter, ProgressOf(context, meter, "reads"), load.RunAsync, cancellationToken);
        if (timeline is not null)
            await timeline.CompleteAsync();

        if (parsed.IsJson())
        {
            var result = meter.ToJson();
            result["found"] = load.Found;
            context.Terminal.WriteJson(result);
        }
        else
        {
            meter.Write(context.Terminal, "reads");
            context.Terminal.WriteLine($"{Text.Of(load.Found)} of them found a user");
        }
        return Outcome(meter, cancellationToken);
    }

    private static Progress ProgressOf(CommandContext context, LoadMeter meter, string calls) =>
        new(context.Terminal, context.Time, () => meter.Describe(calls));

    /// <summary>Runs a load for its duration and shows its progress.</summary>
    public static async Task RunAsync(
        CommandContext context, TimeSpan duration, LoadMeter meter, IAsyncDisposable display, Func<CancellationToken, Task> run,
        CancellationToken cancellationToken)
    {
        using var timer = new CancellationTokenSource(duration, context.Time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timer.Token);
        await using (display)
            await run(stop.Token);
        meter.End();
    }

    /// <summary>Always prints the summary; the exit code reports how the load ended.</summary>
    public static int Outcome(LoadMeter meter, CancellationToken cancellationToken) => meter switch
    {
        _ when cancellationToken.IsCancellationRequested => ExitCode.Interrupted,
        { Succeeded: 0, Failed: > 0 } => ExitCode.Unavailable,
        _ => ExitCode.Done,
    };

    private static string Checked(string prefix)
    {
        UserLimits.ValidateId(prefix + "9999999");
        return prefix;
    }
}
