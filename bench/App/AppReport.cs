using System.Globalization;
using Spectre.Console;

namespace Actors.Bench.App;

/// <summary>Prints what cases from an app cost: each process apart, and how long a call takes.</summary>
internal static class AppReport
{
    public static void PrintDetails(IAnsiConsole console, IReadOnlyList<CaseResult> results)
    {
        var table = Report.Table("case", "contender");
        foreach (var column in (string[])["per second", "P50, ms", "P99, ms", "app, bytes", "app, CPU µs", "silo, CPU µs", "Redis, CPU µs"])
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (var result in results.Where(result => result.Ours.App is not null))
        {
            Add(result.Case, "ours", result.Ours);
            foreach (var (peer, medians) in result.Case.Peers.Zip(result.Theirs)) Add(result.Case, peer.Name, medians);
        }

        if (table.Rows.Count == 0) return;
        console.WriteLine();
        console.WriteLine("Cost of one call from an app:");
        console.Write(table);
        if (results.Select(result => result.EmptyLoop).LastOrDefault(turn => turn is not null) is { } loop)
            console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"The load generator alone takes {loop.Cpu.TotalNanoseconds / loop.Count:0} ns and {(double)loop.Bytes / loop.Count:0.#} bytes of each call."));

        void Add(BenchCase measured, string name, Medians medians) => table.AddRow(
            new Text(measured.Name),
            new Text(name),
            Report.Right(Report.Number(medians.PerSecond)),
            Report.Right(Report.Number(medians.App!.P50)),
            Report.Right(Report.Number(medians.App.P99)),
            Report.Right(Report.Number(medians.Bytes)),
            Report.Right(Report.Number(medians.Cpu)),
            Report.Right(medians.App.SiloCpu is { } silo ? Report.Number(silo) : ""),
            Report.Right(Report.Number(medians.RedisCpu)));
    }
}
