using System.CommandLine;
using Actors.Cli.Commands;

namespace Actors.Cli.Limits;

/// <summary><c>actors limit acquire CLIENT</c></summary>
internal static class AcquireCommand
{
    private const int MostCalls = 10_000;

    public static Command Create(CommandContext context)
    {
        var (client, policy, permits) = (LimitCommand.Client(), OptionKinds.Policy("The policy to charge."), LimitCommand.Permits());
        var count = OptionKinds.Number("--count", "Number of sequential calls.", 1, 1, MostCalls);
        var wait = OptionKinds.Wait();
        var requestId = OptionKinds.Word(
            "--request-id", "Id of the call. A repeated id gets the same grant and is not charged again.", "R");
        var command = new Command("acquire", "Acquire permits. Exit code 3 if a call is denied.")
        {
            client, policy, permits, count, wait, requestId,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var name = LimitCommand.Checked(parsed.GetRequiredValue(client));
            var request = new RateLimitRequest
            {
                Policy = parsed.GetRequiredValue(policy),
                Permits = parsed.GetValue(permits),
                RequestId = parsed.GetValue(requestId),
                MaxWait = parsed.GetValue(wait),
            };
            RateLimits.Validate(request);
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            var limiter = cluster.Limiter(name);
            if (parsed.GetValue(count) is > 1 and var calls)
                return await ManyAsync(context, parsed, new(name, limiter, request, calls), cancellationToken);

            var decision = await limiter.AcquireAsync(request, cancellationToken);
            if (parsed.IsJson())
                context.Terminal.WriteJson(DecisionJson.Of(name, request.Permits, decision));
            else
                DecisionView.Write(name, request.Permits, decision, isPeek: false, context.Terminal);
            return decision.IsAllowed ? ExitCode.Done : ExitCode.Denied;
        });
        return command;
    }

    private static async Task<int> ManyAsync(CommandContext context, ParseResult parsed, Calls calls, CancellationToken cancellationToken)
    {
        var decisions = new List<RateLimitDecision>(calls.Count);
        var began = context.Time.GetTimestamp();
        for (var call = 1; call <= calls.Count; call++)
        {
            var started = context.Time.GetTimestamp();
            var decision = await calls.Limiter.AcquireAsync(calls.Request, cancellationToken);
            decisions.Add(decision);
            if (!parsed.IsJson())
                DecisionView.WriteLine(call, decision, context.Time.GetElapsedTime(started), context.Terminal);
        }
        var elapsed = context.Time.GetElapsedTime(began);
        if (parsed.IsJson())
            context.Terminal.WriteJson(DecisionJson.Of(calls.Client, calls.Request, decisions, elapsed));
        else
            DecisionView.WriteSummary(calls.Client, calls.Request.Permits, decisions, elapsed, context.Terminal);
        return decisions.TrueForAll(decision => decision.IsAllowed) ? ExitCode.Done : ExitCode.Denied;
    }

    private sealed record Calls(string Client, IRateLimiterGrain Limiter, RateLimitRequest Request, int Count);
}
