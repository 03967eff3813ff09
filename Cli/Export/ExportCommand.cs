using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Output;
using Actors.Cli.Verify;

namespace Actors.Cli.Export;

/// <summary><c>actors export [FILE]</c></summary>
internal static class ExportCommand
{
    private const string Details = """
        Content:
          All users that are not deleted, in no order: id, name, email, attributes, counters and
          tags. Versions and times are omitted, because an import creates its own. actors import
          restores the file without loss into a cluster that does not have these users.

        Source:
          A snapshot of the database, read without the cluster, so that the silos' memory stays
          with active users. The export first waits up to a minute until the silos have flushed
          all earlier acknowledged writes, including those of silos that left or were killed.
          Later writes may or may not be included. --as-is exports the current database and
          needs no cluster.

        Formats:
          JSON lines, or CSV with a column for each attribute and counter, at most 500 of each;
          values that a cell cannot hold are JSON in the columns attributes and counters. CSV
          reads the database twice.

        Examples:
          actors export users.jsonl.gz
          actors export users.csv --overwrite
          actors export | jq -r .email

        Exit codes:
          1 if rows could not be read (each is reported), 4 if the cluster or the database is
          not available, or has not flushed in time.
        """;

    public static Command Create(CommandContext context)
    {
        var file = new Argument<string>("FILE")
        {
            Description = "The file to write, compressed if it ends in .gz; default: - for standard output.",
            DefaultValueFactory = _ => "-",
        };
        var format = OptionKinds.Word("--format", "jsonl or csv; default: from the extension of FILE, else jsonl.", "FORMAT");
        var overwrite = new Option<bool>("--overwrite") { Description = "Overwrite an existing file." };
        var asIs = new Option<bool>("--as-is") { Description = "Export what the database holds now, without asking the cluster." };
        var postgres = UserDatabase.PostgresOption();
        var sqlite = UserDatabase.SqliteOption();
        var command = new DetailedCommand("export", "Export all users as JSON lines or CSV, in the format that import reads.", Details)
        {
            file, format, overwrite, asIs, postgres, sqlite,
        };
        command.SetAction((parsed, cancellationToken) => RunAsync(
            context,
            parsed,
            new(parsed.GetRequiredValue(file), parsed.GetValue(format), parsed.GetValue(overwrite), parsed.GetValue(asIs)),
            () => UserDatabase.Find(parsed.GetValue(postgres), parsed.GetValue(sqlite), context, "export"),
            cancellationToken));
        return command;
    }

    private sealed record Request(string File, string? Format, bool Overwrites, bool IsAsIs);

    private static async Task<int> RunAsync(
        CommandContext context, ParseResult parsed, Request request, Func<UserDatabase> find, CancellationToken cancellationToken)
    {
        var exporter = new Exporter(find(), ExportFormats.WriterOf(request.Format, request.File), context.Terminal.Note, context.Time);
        await using var target = ExportTarget.Open(request.File, request.Overwrites, context.OpenOutput);
        if (!request.IsAsIs)
        {
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            var wait = new FlushWait(cluster, context.Time);
            await using var waiting = new Progress(context.Terminal, context.Time, wait.Describe);
            await wait.RunAsync(cancellationToken);
        }
        await using (new Progress(context.Terminal, context.Time, exporter.Describe))
            await exporter.RunAsync(target.Content, cancellationToken);
        await target.CompleteAsync(cancellationToken);
        Summarize(context.Terminal, parsed, request, exporter);
        return exporter.Failed == 0 ? ExitCode.Done : ExitCode.Failed;
    }

    private static void Summarize(Terminal terminal, ParseResult parsed, Request request, Exporter exporter)
    {
        var summary = $"{Text.Of(exporter.Exported)} exported" + (exporter.Failed == 0 ? "" : $", {Text.Of(exporter.Failed)} could not be read");
        if (request.File == "-")
            terminal.Note(summary);
        else if (parsed.IsJson())
            terminal.WriteJson(new { exporter.Exported, exporter.Failed, request.File });
        else
            terminal.WriteLine(summary);
    }
}
