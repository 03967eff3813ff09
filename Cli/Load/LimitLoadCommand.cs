using System.CommandLine;
using System.Globalization;
using Actors.Cli.Commands;
using Actors.Cli.Connection;
using Actors.Cli.Limits;
using Actors.Cli.Output;

namespace Actors.Cli.Load;

/// <summary><c>actors load limits</c></summary>
internal static class LimitLoadCommand
{
    private const string Random = "random";
    private const int MostRandomPermits = 10;

    private const string Details = """
        Denied callers wait for the delay of the denial, up to a second, so the plot shows the throughput of
        well-behaved clients. With --on-denied spin they call again at once: the rate is then what the limiter
        can decide, and most decisions are denials.
        """;

    public static Command Create(CommandContext context)
    {
        var options = new Options();
        var command = new DetailedCommand("limits",
            "Acquire permits and plot the allowed and denied calls per second. Denials are not failures; exit code 4 if " +
            "no call was answered.", Details);
        options.AddTo(command);
        command.SetAction((parsed, cancellationToken) => RunAsync(context, parsed, options, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(CommandContext context, ParseResult parsed, Options options, CancellationToken cancellationToken)
    {
        var plan = options.Read(parsed);
        using var cluster = await context.ConnectAsync(parsed, cancellationToken);
        plan = await CheckedAsync(cluster, plan, cancellationToken);
        await using var ledger = options.Ledger(parsed) is { } file ? new LedgerWriter<GrantEntry>(file) : null;
        await using var timeline = options.Timeline(parsed) is { } timelineFile
            ? new LoadTimeline(timelineFile, LoadOutcomes.Decisions, context.Time)
            : null;
        var meter = new LoadMeter(context.Time, timeline);
        var decisions = new DecisionMeter();
        var load = new LimitLoad(cluster, plan, meter, decisions, ledger, context.Time);
        var display = new LimitDisplay(context.Terminal, context.Time, meter, decisions);
        await LoadCommand.RunAsync(context, options.Duration(parsed), meter, display, load.RunAsync, cancellationToken);
        if (timeline is not null)
            await timeline.CompleteAsync();
        if (ledger is not null)
            await ledger.CompleteAsync();

        if (parsed.IsJson())
            context.Terminal.WriteJson(LimitSummary.ToJson(meter, decisions, ledger));
        else
            LimitSummary.Write(meter, decisions, display.Rates, ledger, context.Terminal);
        return LoadCommand.Outcome(meter, cancellationToken);
    }

    /// <summary>
    /// Checks once before the load that the policy exists and can grant calls of this size; otherwise every call would fail.
    /// </summary>
    private static async Task<LimitLoadPlan> CheckedAsync(ICluster cluster, LimitLoadPlan plan, CancellationToken cancellationToken)
    {
        var policy = await cluster.Limiter(plan.Prefix + "0").GetPolicyAsync(plan.Policy, cancellationToken);
        var least = policy.Windows.Min(window => window.Limit);
        if (plan.HasRandomPermits)
            return plan with { MostPermits = Math.Min(plan.MostPermits, least) };
        return plan.MostPermits <= least
            ? plan
            : throw new UsageException(
                $"--permits '{Text.Of(plan.MostPermits)}': policy '{policy.Name}' ({WindowText.Of(policy.Windows)}) "
                    + $"allows calls of up to {Text.Of(least)}");
    }

    private sealed class Options
    {
        private readonly Option<int> _seconds = LoadCommand.Seconds();
        private readonly Option<int> _concurrency = LoadCommand.Concurrency();
        private readonly Option<string?> _timeline = LoadCommand.Timeline();

        private readonly Option<int> _clients = OptionKinds.Number(
            "--clients", "Number of clients, each with its own limits; each call is for a random one.", 10, 1, 10_000_000);

        private readonly Option<string> _policy = OptionKinds.Policy("The policy to charge.");

        private readonly Option<string> _permits = new("--permits")
        {
            Description = $"Permits per call; '{Random}': 1 to {MostRandomPermits}, at most the limit of the policy.",
            HelpName = "K|random",
            DefaultValueFactory = _ => "1",
        };

        private readonly Option<TimeSpan> _wait = OptionKinds.Wait();

        private readonly Option<string> _onDenied = OptionKinds.Choice(
            "--on-denied", "What a denied caller does: wait for the delay of the denial, or call again at once.", "wait", "spin");

        private readonly Option<int> _rate = LoadCommand.Rate();

        private readonly Option<string> _prefix = new("--prefix")
        {
            Description = "Prefix of client names; a number from 0 follows.",
            HelpName = "P",
            DefaultValueFactory = _ => "load-",
        };

        private readonly Option<string?> _ledger = OptionKinds.Word("--ledger", "Record every grant in this file (overwritten).", "FILE");

        private readonly Option<bool> _requestIds = new("--request-ids")
        {
            Description = "Give each call a request id and repeat it until its answer is known; it is charged once.",
        };

        public void AddTo(Command command)
        {
            // Like the other loads.
            _clients.Aliases.Add("--users");
            foreach (Option option in (Option[])
                [_seconds, _clients, _concurrency, _policy, _permits, _wait, _onDenied, _rate, _ledger, _timeline, _prefix, _requestIds])
            {
                command.Add(option);
            }
        }

        public TimeSpan Duration(ParseResult parsed) => TimeSpan.FromSeconds(parsed.GetValue(_seconds));

        public string? Ledger(ParseResult parsed) => parsed.GetValue(_ledger);

        public string? Timeline(ParseResult parsed) => parsed.GetValue(_timeline);

        /// <exception cref="UsageException">A value is not allowed.</exception>
        public LimitLoadPlan Read(ParseResult parsed)
        {
            var prefix = parsed.GetRequiredValue(_prefix);
            RateLimits.ValidateId(prefix + "9999999");
            var permits = parsed.GetRequiredValue(_permits);
            var isRandom = string.Equals(permits, Random, StringComparison.OrdinalIgnoreCase);
            return new(
                parsed.GetValue(_clients), parsed.GetValue(_concurrency), parsed.GetRequiredValue(_policy),
                isRandom ? MostRandomPermits : Permits(permits), isRandom, parsed.GetValue(_wait), prefix,
                WaitsOnDenial: parsed.GetRequiredValue(_onDenied) == "wait",
                Rate: LoadCommand.RateOf(parsed, _rate),
                HasRequestIds: parsed.GetValue(_requestIds));
        }

        private static int Permits(string text) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var permits) && permits is >= 1 and <= RateLimits.MaxLimit
                ? permits
                : throw new UsageException(
                    $"--permits '{Text.Short(text)}': use a whole number from 1 to {Text.Of(RateLimits.MaxLimit)}, or '{Random}'");
    }
}
