using System.CommandLine;
using Actors.Cli.Commands;

namespace Actors.Cli.WriteBehind;

/// <summary><c>actors writebehind status|parked|replay</c></summary>
internal static class WriteBehindCommand
{
    public static Command Create(CommandContext context) => new("writebehind", "See and steer what is on its way to the database.")
    {
        StatusCommand.Create(context),
        ParkedCommand.Create(context),
        ReplayCommand.Create(context),
    };
}
