using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Limits;

/// <summary><c>actors limit set CLIENT</c></summary>
internal static class SetCommand
{
    public static Command Create(CommandContext context)
    {
        var (client, policy) = (LimitCommand.Client(), OptionKinds.Policy("The name of the policy."));
        var options = new PolicyOptions();
        var command = new Command("set",
            "Give a client its own policy, which replaces the configured one of that name. Earlier usage counts.")
        {
            client, policy,
        };
        options.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (name, of) = (LimitCommand.Checked(parsed.GetRequiredValue(client)), parsed.GetRequiredValue(policy));
            var changed = options.Read(parsed, of);
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            var limiter = cluster.Limiter(name);
            if (changed is null)
            {
                var wasThere = await limiter.RemovePolicyAsync(of, cancellationToken);
                WriteRemoved(context.Terminal, parsed.IsJson(), name, of, wasThere);
                return ExitCode.Done;
            }
            await limiter.SetPolicyAsync(changed, cancellationToken);
            if (parsed.IsJson())
                context.Terminal.WriteJson(PolicyView.Json(name, changed));
            else
                PolicyView.Write(name, changed, context.Terminal);
            return ExitCode.Done;
        });
        return command;
    }

    private static void WriteRemoved(Terminal terminal, bool isJson, string client, string policy, bool wasThere)
    {
        if (isJson)
            terminal.WriteJson(new { Client = client, Policy = policy, Removed = wasThere });
        else if (wasThere)
            terminal.WriteLine($"{Text.Printable(client)}: its own policy {policy} is removed");
        else
            terminal.WriteLine($"{Text.Printable(client)}: had no policy {policy} of its own");
    }
}
