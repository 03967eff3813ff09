using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Actors.Cli.Commands;

/// <summary>A command whose own help has more text than fits into the list of commands.</summary>
internal sealed class DetailedCommand(string name, string description, string details) : Command(name, description)
{
    public string Details { get; } = details;
}

/// <summary>The usual help, followed by the details of the command.</summary>
internal sealed class HelpWithDetails(HelpAction usual) : SynchronousCommandLineAction
{
    // A request for help need not be a complete command line.
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        var result = usual.Invoke(parseResult);
        if (parseResult.CommandResult.Command is DetailedCommand detailed)
            parseResult.InvocationConfiguration.Output.WriteLine(detailed.Details);
        return result;
    }
}
