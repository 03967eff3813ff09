using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Actors.Bench.Growth;
using Actors.Bench.Scale;
using Spectre.Console;

namespace Actors.Bench;

/// <summary>Prints and writes the results.</summary>
internal static class Report
{
    public static void List(IAnsiConsole console)
    {
        var table = Table("case", "work", "peer").AddColumn(new TableColumn("ratio to reach").RightAligned());
        foreach (var each in Cases.All)
        {
            foreach (var peer in each.Peers)
                table.AddRow(new Text(each.Name), new Text(each.Work), new Text(peer.Name), Right(Target(peer)));
        }

        console.Write(table);
    }

    public static void Print(IAnsiConsole console, IReadOnlyList<CaseResult> results)
    {
        var table = Table("case", "peer", "unit")
            .AddColumn(new TableColumn("ours").RightAligned())
            .AddColumn(new TableColumn("theirs").RightAligned())
            .AddColumn(new TableColumn("ratio").RightAligned())
            .AddColumn(new TableColumn("target").RightAligned());
        foreach (var (measured, peer, ours, theirs) in Comparisons(results))
        {
            var ratio = ours.PerSecond / theirs.PerSecond;
            table.AddRow(
                new Text(measured.Name),
                new Text(peer.Name),
                new Text(measured.Unit),
                Right(Number(ours.PerSecond)),
                Right(Number(theirs.PerSecond)),
                new Text(
                    Number(ratio),
                    ratio >= (peer.Target ?? 0) && (!measured.AllocatesNothing || ours.AllocatesNothing) ? Color.Green : Color.Yellow)
                    .RightJustified(),
                Right(Target(peer) + (measured.AllocatesNothing ? ", 0 bytes" : "")));
        }

        console.Write(table);
    }

    public static void PrintDoubts(IAnsiConsole console, IReadOnlyList<CaseResult> results)
    {
        foreach (var result in results)
        {
            foreach (var doubt in result.Theirs.Append(result.Ours).SelectMany(medians => medians.Doubts).Distinct())
                console.WriteLine($"{result.Case.Name}: {doubt}", Color.Yellow);
            if (result.Case.AllocatesNothing && !result.Ours.AllocatesNothing)
                console.WriteLine($"{result.Case.Name}: ours allocates {Number(result.Ours.Bytes)} bytes per call", Color.Yellow);
        }
    }

    public static async Task WriteJsonAsync(FileInfo file, IReadOnlyList<CaseResult> results)
    {
        var comparisons = Comparisons(results).Select(each => new Comparison(
            each.Case.Name,
            each.Peer.Name,
            each.Case.Unit,
            Math.Round(each.Ours.PerSecond, 1),
            Math.Round(each.Theirs.PerSecond, 1),
            Math.Round(each.Ours.PerSecond / each.Theirs.PerSecond, 3)));
        await using var stream = file.Create();
        await JsonSerializer.SerializeAsync(stream, comparisons, ReportJson.Default.IEnumerableComparison);
    }

    public static void PrintDetails(IAnsiConsole console, IReadOnlyList<CaseResult> results)
    {
        var table = Table("case", "contender")
            .AddColumn(new TableColumn("per second").RightAligned())
            .AddColumn(new TableColumn("bytes allocated").RightAligned())
            .AddColumn(new TableColumn("CPU of this process, µs").RightAligned())
            .AddColumn(new TableColumn("CPU of Redis, µs").RightAligned());
        foreach (var result in results.Where(result => result.Ours.App is null))
        {
            Add(result.Case, "ours", result.Ours);
            foreach (var (peer, medians) in result.Case.Peers.Zip(result.Theirs)) Add(result.Case, peer.Name, medians);
        }

        if (table.Rows.Count > 0)
        {
            console.WriteLine();
            console.WriteLine("Cost of one write, row or call:");
            console.Write(table);
        }

        void Add(BenchCase measured, string name, Medians medians) => table.AddRow(
            new Text(measured.Name),
            new Text(name),
            Right(Number(medians.PerSecond)),
            Right(Number(medians.Bytes)),
            Right(Number(medians.Cpu)),
            Right(Number(medians.RedisCpu)));
    }

    public static void Print(IAnsiConsole console, IReadOnlyList<GrowthStep> steps)
    {
        var table = new Table().Border(TableBorder.Rounded);
        foreach (var column in (string[])[
            "unflushed users", "silo, bytes each", "Redis, bytes each", "write P50, ms", "write P99, ms", "flushed rows/s", "batch P99, ms",
        ])
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (var step in steps)
        {
            table.AddRow(
                Right(Number(step.Users)),
                Right(Number(step.SiloBytes)),
                Right(Number(step.RedisBytes)),
                Right(Number(step.WriteP50.TotalMilliseconds)),
                Right(Number(step.WriteP99.TotalMilliseconds)),
                Right(Number(step.RowsPerSecond)),
                Right(Number(step.BatchP99.TotalMilliseconds)));
        }

        console.Write(table);
    }

    public static void Print(IAnsiConsole console, IReadOnlyList<LimitGrowthStep> steps)
    {
        var table = new Table().Border(TableBorder.Rounded);
        foreach (var column in (string[])[
            "limit", "clients", "full: silo, bytes each", "Redis", "window over: silo, bytes each", "Redis", "deactivated: silo, bytes each", "Redis",
        ])
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (var step in steps)
        {
            table.AddRow([
                Right(Number(step.Limit)), Right(Number(step.Clients)),
                .. ((BytesEach[])[step.Full, step.Over, step.Gone])
                    .SelectMany(bytes => (Text[])[Right(Number(bytes.Silo)), Right(Number(bytes.Redis))]),
            ]);
        }

        console.Write(table);
    }

    public static void Print(IAnsiConsole console, IReadOnlyList<AppGrowthStep> steps)
    {
        var table = Table("calls", "different ids", "memory of the app, MB");
        foreach (var step in steps)
            table.AddRow(new Text(step.Work), Right(step.Ids.ToString("N0", CultureInfo.InvariantCulture)), Right(Number(step.Bytes / 1e6)));
        console.Write(table);
    }

    public static void Print(IAnsiConsole console, IReadOnlyList<ScaleStep> steps, IReadOnlyList<JoinStep> join)
    {
        var table = Table("silos", "calls", "per second", "together, %", "sent on, %");
        foreach (var step in steps)
            table.AddRow(Right(Number(step.Silos)), new Text(step.Work), Right(Number(step.PerSecond)), Right(Percent(step.Together)), Right(Percent(step.Forwarded)));
        console.Write(table);

        console.WriteLine("Reads while a silo joins:");
        table = Table("seconds since it was ready", "per second", "together, %", "forwarded, %");
        foreach (var step in join)
            table.AddRow(Right(Number(step.Since.TotalSeconds)), Right(Number(step.PerSecond)), Right(Percent(step.Together)), Right(Percent(step.Forwarded)));
        console.Write(table);
    }

    private static string Percent(double share) => (100 * share).ToString("0.00", CultureInfo.InvariantCulture);

    private static IEnumerable<(BenchCase Case, BenchPeer Peer, Medians Ours, Medians Theirs)> Comparisons(
        IEnumerable<CaseResult> results) => results.SelectMany(result =>
            result.Case.Peers.Zip(result.Theirs, (peer, theirs) => (result.Case, peer, result.Ours, theirs)));

    public static Table Table(params string[] columns) => new Table().Border(TableBorder.Rounded).AddColumns(columns);

    private static string Target(BenchPeer peer) => peer.Target is { } target ? $">= {Number(target)}" : "-";

    public static Text Right(string text) => new Text(text).RightJustified();

    public static string Number(double number) => number.ToString(
        number >= 100 ? "N0" : number >= 10 ? "0.#" : number >= 0.1 ? "0.##" : "0.###", CultureInfo.InvariantCulture);
}

/// <summary>One line of the JSON report.</summary>
internal sealed record Comparison(string Case, string Peer, string Unit, double Ours, double Theirs, double Ratio);

/// <summary>Generated serialization of the JSON report.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(IEnumerable<Comparison>))]
internal sealed partial class ReportJson : JsonSerializerContext;
