using System.CommandLine;
using System.CommandLine.Invocation;
using Actors.Cli.Cluster;
using Actors.Cli.Import;
using Actors.Cli.Load;
using Actors.Cli.Users;
using Actors.Cli.Verify;

namespace Actors.Cli.Commands;

/// <summary>The whole command line: its tree of commands, and how running one ends.</summary>
internal static class CommandLine
{
    private const string Description = """
        The command line of an Actors cluster.

        The cluster is found by --redis, else by ConnectionStrings__redis in the environment, else as the embedded silo of this machine (.actors/embedded.json here or above).

        Exit codes: 0 done, 1 failed, 2 usage, 3 denied, 4 unavailable, 130 interrupted.
        """;

    // A user id may begin with @, so that an argument never stands for the contents of a file.
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    public static async Task<int> RunAsync(string[] args, CommandContext context, CancellationToken cancellationToken)
    {
        var terminal = context.Terminal;
        var parsed = Build(context).Parse(args.Length == 0 ? ["--help"] : args, Parsing);
        if (parsed.Action is ParseErrorAction || (parsed.Action is null && parsed.Errors.Count > 0))
        {
            terminal.Error(parsed.Errors[0].Message);
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
        catch (Exception) when (cancellationToken.IsCancellationRequested)
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

    private static RootCommand Build(CommandContext context) => new(Description)
    {
        UserCommand.Create(context),
        ImportCommand.Create(context),
        LoadCommand.Create(context),
        VerifyCommand.Create(context),
        ClusterCommand.Create(context),
        GlobalOptions.Redis,
        GlobalOptions.Json,
        GlobalOptions.Verbose,
    };
}
