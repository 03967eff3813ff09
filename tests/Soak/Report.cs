using Actors.Harness;
using Actors.Harness.Trials;
using Spectre.Console;

namespace Actors.Soak;

/// <summary>The tables of results.</summary>
internal static class Report
{
    public static void List(IAnsiConsole console)
    {
        var table = new Table().RoundedBorder().AddColumns("fault", "description", "may destroy");
        foreach (var fault in Faults.All) table.AddRow(fault.Name, Markup.Escape(fault.Description), Name(fault.Losses));
        console.Write(table);

        var trials = new Table().RoundedBorder().AddColumns("trial", "fault and guarantee");
        foreach (var trial in NamedTrial.All) trials.AddRow(trial.Name, Markup.Escape(trial.Description));
        console.Write(trials);
    }

    private static string Name(Losses losses) => losses switch
    {
        Losses.SiloMemory => "a silo's memory",
        Losses.JournalTail => "the end of the journal",
        Losses.Journal => "the journal",
        _ => "",
    };
}
