using System.CommandLine;
using Actors.Cli.Commands;

namespace Actors.Cli.WriteBehind;

/// <summary><c>actors writebehind status|parked|replay</c></summary>
internal static class WriteBehindCommand
{
    public static Command Create(CommandContext context) => new("writebehind", "Show and control the writes that are not in the database yet.")
    {
        StatusCommand.Create(context),
        ParkedCommand.Create(context),
        ReplayCommand.Create(context),
    };
}
