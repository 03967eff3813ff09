using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Connection;
using Actors.Cli.Output;

namespace Actors.Cli.Breaker;

/// <summary><c>actors breaker list|health|isolate|close</c></summary>
internal static class BreakerCommand
{
    private const int LongestReason = 200;
    private const int UsualTransitions = 3;
    private const int KeptTransitions = 50;

    private static readonly TimeSpan WatchPeriod = TimeSpan.FromSeconds(1);

    public static Command Create(CommandContext context) => new("breaker", "Show and control the circuit breakers of the silos.")
    {
        List(context),
        Health(context),
        Isolate(context),
        Close(context),
    };

    private static WatchOption Watch() => new(WatchPeriod, "Refresh every second until Ctrl-C.");

    private static WatchOption WatchOn() =>
        new(WatchPeriod, "If nothing failed, then show all breakers every second until Ctrl-C.");

    private static Command List(CommandContext context)
    {
        var watch = Watch();
        var transitions = OptionKinds.Number(
            "--transitions", "Number of recent state changes to show per circuit; JSON has all that are kept.",
            UsualTransitions, 0, KeptTransitions);
        var command = new Command("list", "Show the circuit breakers of every silo, one row per Redis.")
        {
            transitions,
        };
        watch.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            var show = Show(context, cluster, parsed.IsJson(), watch.IsGiven(parsed), BreakerJson.Of,
                (status, now, terminal) => BreakerTable.Write(status, parsed.GetValue(transitions), now, terminal));
            return await watch.RunAsync(context, parsed, show, cancellationToken);
        });
        return command;
    }

    private static Command Health(CommandContext context)
    {
        var watch = Watch();
        var command = new Command("health",
            "Show every Redis: its server figures, and the call latencies of the slowest silo.");
        watch.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            var show = Show(context, cluster, parsed.IsJson(), watch.IsGiven(parsed), HealthJson.Of,
                HealthTable.Write);
            return await watch.RunAsync(context, parsed, show, cancellationToken);
        });
        return command;
    }

    private static Command Isolate(CommandContext context)
    {
        var (silos, watch) = (new SiloChoice(), WatchOn());
        var reason = OptionKinds.Phrase("--reason", "The reason, for people who look later.", "TEXT", LongestReason);
        var command = new Command("isolate",
            "Disconnect silos from Redis until 'breaker close'. They continue with memory and the database.")
        {
            reason,
        };
        silos.AddTo(command);
        watch.AddTo(command);
        command.SetAction((parsed, cancellationToken) =>
        {
            var why = parsed.GetRequiredValue(reason);
            return SteerAsync(context, parsed, silos, watch,
                new("isolating", "isolated", (breaker, token) => breaker.IsolateAsync(why, token)), cancellationToken);
        });
        return command;
    }

    private static Command Close(CommandContext context)
    {
        var (silos, watch) = (new SiloChoice(), WatchOn());
        var command = new Command("close",
            "Close an isolated or open breaker: calls go to Redis at once. It opens again if they fail.");
        silos.AddTo(command);
        watch.AddTo(command);
        command.SetAction((parsed, cancellationToken) => SteerAsync(context, parsed, silos, watch,
            new("closing", "closed", (breaker, token) => breaker.CloseAsync(token)), cancellationToken));
        return command;
    }

    private static async Task<int> SteerAsync(
        CommandContext context, ParseResult parsed, SiloChoice silos, WatchOption watch, Steer steer,
        CancellationToken cancellationToken)
    {
        silos.Check(parsed);
        using var cluster = await context.ConnectAsync(parsed, cancellationToken);
        var chosen = silos.Of(await cluster.Status.GetStatusAsync(cancellationToken), parsed);
        var steered = await Steering.RunAsync(cluster, chosen, steer, cancellationToken);
        var lines = steered.Where(one => one.IsDone).Select(one => Steering.Describe(one, steer)).ToArray();

        void WriteLines() => Array.ForEach(lines, context.Terminal.WriteLine);

        if (parsed.IsJson())
            context.Terminal.WriteJson(Steering.Json(steered, context.Time.GetUtcNow()), onOneLine: watch.IsGiven(parsed));
        else
            WriteLines();
        Steering.WriteErrors(steered, steer, context.Terminal);

        var outcome = Steering.Outcome(steered, silos.IsAll(parsed));
        // Errors must stay readable, which a redrawn screen would prevent.
        if (outcome == ExitCode.Done && watch.IsGiven(parsed))
        {
            var show = Show(context, cluster, parsed.IsJson(), isRedrawn: true, BreakerJson.Of, (status, now, terminal) =>
            {
                // Redrawing has removed the errors from the terminal.
                if (terminal.IsOutputInteractive)
                    Array.ForEach(lines, terminal.WriteLine);
                BreakerTable.Write(status, UsualTransitions, now, terminal);
            });
            await watch.RunAsync(context, parsed, show, cancellationToken);
        }
        return outcome;
    }

    /// <summary>Requests the status of all silos once and shows it as JSON or as a table.</summary>
    private static Func<CancellationToken, Task> Show(
        CommandContext context, ICluster cluster, bool isJson, bool isRedrawn, Func<ClusterStatus, DateTimeOffset, object> toJson,
        Action<ClusterStatus, DateTimeOffset, Terminal> draw) => async cancellationToken =>
    {
        var status = await cluster.Status.GetStatusAsync(cancellationToken);
        var now = context.Time.GetUtcNow();
        if (isJson)
        {
            context.Terminal.WriteJson(toJson(status, now), onOneLine: isRedrawn);
            return;
        }
        if (isRedrawn && context.Terminal.IsOutputInteractive)
            Screen.Redraw(context.Terminal, terminal => draw(status, now, terminal));
        else
            draw(status, now, context.Terminal);
    };
}
