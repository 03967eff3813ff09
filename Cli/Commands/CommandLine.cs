using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Actors.Cli.Breaker;
using Actors.Cli.Cluster;
using Actors.Cli.Export;
using Actors.Cli.Import;
using Actors.Cli.Limits;
using Actors.Cli.Load;
using Actors.Cli.Output;
using Actors.Cli.Users;
using Actors.Cli.Verify;
using Actors.Cli.WriteBehind;

namespace Actors.Cli.Commands;

/// <summary>The command line: its command tree, and the mapping of results to exit codes.</summary>
internal static class CommandLine
{
    private const string Description = """
        The command line of an Actors cluster.

        The cluster is taken from --redis or --gateway, else from ConnectionStrings__redis or
        Actors__Client__Gateways in the environment, else from the embedded silo of this
        machine (.actors/embedded.json here or above). If Redis does not respond, the
        gateways that it listed last are used.

        Exit codes: 0 done, 1 failed, 2 usage, 3 denied, 4 unavailable, 130 interrupted.
        """;

    // A user id may begin with @, so response files are disabled.
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    public static async Task<int> RunAsync(string[] args, CommandContext context, CancellationToken cancellationToken)
    {
        var terminal = context.Terminal;
        var parsed = Build(context).Parse(args.Length == 0 ? ["--help"] : args, Parsing);
        if (parsed.Action is ParseErrorAction || (parsed.Action is null && parsed.Errors.Count > 0))
        {
            terminal.Error(Explain(parsed));
            return ExitCode.Usage;
        }
        try
        {
            var invocation = new InvocationConfiguration
            {
                Output = terminal.Output,
                Error = terminal.ErrorOutput,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            };
            return await parsed.InvokeAsync(invocation, cancellationToken);
        }
        catch (Exception e) when (cancellationToken.IsCancellationRequested && e is not CommandFailedException)
        {
            terminal.Error("interrupted");
            return ExitCode.Interrupted;
        }
        catch (Exception e)
        {
            var failure = Failure.Of(e);
            terminal.Error(failure.Message);
            return failure.ExitCode;
        }
        finally
        {
            await terminal.Output.FlushAsync(CancellationToken.None);
        }
    }

    private static RootCommand Build(CommandContext context)
    {
        var root = new RootCommand(Description)
        {
            UserCommand.Create(context),
            LimitCommand.Create(context),
            ImportCommand.Create(context),
            ExportCommand.Create(context),
            LoadCommand.Create(context),
            VerifyCommand.Create(context),
            ClusterCommand.Create(context),
            BreakerCommand.Create(context),
            WriteBehindCommand.Create(context),
            GlobalOptions.Redis,
            GlobalOptions.Gateway,
            GlobalOptions.Json,
            GlobalOptions.Verbose,
        };
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithDetails((HelpAction)help.Action!);
        return root;
    }

    /// <summary>Explains a usage error; the parser's first error is not always the most helpful one.</summary>
    private static string Explain(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        var name = command is RootCommand ? "actors" : command.Name;
        var subcommands = string.Join(", ", command.Subcommands.Select(c => c.Name));
        if (parsed.UnmatchedTokens is [var unknown, ..])
        {
            return command.Subcommands.Count > 0
                ? $"unknown command '{Text.Short(unknown)}' of {name}; commands are {subcommands}"
                : $"unknown option or extra argument '{Text.Short(unknown)}' of {name}; see --help";
        }
        return command.Subcommands.Count > 0 && parsed.CommandResult.Children.All(c => c is not CommandResult)
            ? $"{name} needs a command; commands are {subcommands}"
            : parsed.Errors[0].Message;
    }
}
