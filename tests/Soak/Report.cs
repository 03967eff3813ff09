using Actors.Harness;
using Spectre.Console;

namespace Actors.Soak;

/// <summary>What is printed as a table.</summary>
internal static class Report
{
    public static void List(IAnsiConsole console)
    {
        var table = new Table().RoundedBorder().AddColumns("fault", "what happens", "may destroy");
        foreach (var fault in Faults.All) table.AddRow(fault.Name, Markup.Escape(fault.Description), Name(fault.Losses));
        console.Write(table);
    }

    private static string Name(Losses losses) => losses switch
    {
        Losses.SiloMemory => "a silo's memory",
        Losses.JournalTail => "the end of the journal",
        Losses.Journal => "the journal",
        _ => "",
    };
}
