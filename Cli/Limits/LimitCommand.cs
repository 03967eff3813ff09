using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Limits;

/// <summary><c>actors limit acquire|peek|reset|refund|set|show CLIENT</c></summary>
internal static class LimitCommand
{
    public static Command Create(CommandContext context) => new("limit", "Use, show and change the limits of one client.")
    {
        AcquireCommand.Create(context),
        Peek(context),
        Reset(context),
        Refund(context),
        SetCommand.Create(context),
        Show(context),
    };

    public static Argument<string> Client() => new("CLIENT") { Description = "The id of the client: 1 to 512 bytes of UTF-8." };

    public static Option<int> Permits() =>
        OptionKinds.Number("--permits", "Number of permits, granted together or not at all.", 1, 1, RateLimits.MaxLimit);

    /// <summary>Checked before connecting, because an invalid id is invalid for any cluster.</summary>
    public static string Checked(string client)
    {
        RateLimits.ValidateId(client);
        return client;
    }

    private static Command Peek(CommandContext context)
    {
        var (client, policy, permits) = (Client(), OptionKinds.Policy("The policy to check."), Permits());
        var command = new Command("peek", "Show the decision that a call would get now, without charging it. Exit code 3 if it would be denied.")
        {
            client, policy, permits,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var name = Checked(parsed.GetRequiredValue(client));
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            var decision = await cluster.Limiter(name).PeekAsync(
                parsed.GetRequiredValue(policy), parsed.GetValue(permits), cancellationToken);
            if (parsed.IsJson())
                context.Terminal.WriteJson(DecisionJson.Of(name, parsed.GetValue(permits), decision));
            else
                DecisionView.Write(name, parsed.GetValue(permits), decision, isPeek: true, context.Terminal);
            return decision.IsAllowed ? ExitCode.Done : ExitCode.Denied;
        });
        return command;
    }

    private static Command Reset(CommandContext context)
    {
        var (client, policy) = (Client(), OptionKinds.Policy("The policy to reset."));
        var command = new Command("reset", "Reset a policy: all its permits are free again.") { client, policy };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (name, of) = (Checked(parsed.GetRequiredValue(client)), parsed.GetRequiredValue(policy));
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            await cluster.Limiter(name).ResetAsync(of, cancellationToken);
            if (parsed.IsJson())
                context.Terminal.WriteJson(new { Client = name, Policy = of, Reset = true });
            else
                context.Terminal.WriteLine($"{Text.Printable(name)}: policy {of} is reset, all its permits are free");
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Refund(CommandContext context)
    {
        var client = Client();
        var requestId = new Option<string>("--request-id") { Description = "The id of the request to refund.", HelpName = "R", Required = true };
        var command = new Command("refund", "Refund the grant of a request id.") { client, requestId };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (name, request) = (Checked(parsed.GetRequiredValue(client)), parsed.GetRequiredValue(requestId));
            RateLimits.ValidateRequestId(request);
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            var freed = await cluster.Limiter(name).RefundAsync(request, cancellationToken);
            if (parsed.IsJson())
                context.Terminal.WriteJson(new { Client = name, RequestId = request, Freed = freed });
            else if (freed == 0)
                context.Terminal.WriteLine($"{Text.Printable(name)}: nothing to refund; no grant of '{Text.Short(request)}' is active");
            else
                context.Terminal.WriteLine($"{Text.Printable(name)}: {Text.Count(freed, "permit")} refunded");
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Show(CommandContext context)
    {
        var (client, policy) = (Client(), OptionKinds.Policy("The policy to show."));
        var command = new Command("show", "Show the policy that applies to a client, its own or the configured one, and the remaining permits.")
        {
            client, policy,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (name, of) = (Checked(parsed.GetRequiredValue(client)), parsed.GetRequiredValue(policy));
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            var limiter = cluster.Limiter(name);
            var shown = await limiter.GetPolicyAsync(of, cancellationToken);
            var now = FreeNow(shown, await limiter.PeekAsync(of, cancellationToken: cancellationToken));
            if (parsed.IsJson())
                context.Terminal.WriteJson(PolicyView.Json(name, shown, now));
            else
                PolicyView.Write(name, shown, now, context.Terminal);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>
    /// The permits left before the call that was peeked. A peek reports the state after the call if it would be granted.
    /// </summary>
    private static RateLimitDecision FreeNow(RateLimitPolicy policy, RateLimitDecision look)
    {
        var isCharged = look is { IsAllowed: true, IsShadowDenial: false }
            && !(look.Source == RateLimitSource.Local && policy.OnRedisDown == RedisDownBehavior.Allow && look.Remaining == 0);
        return isCharged ? look with { Remaining = look.Remaining + 1 } : look;
    }
}
