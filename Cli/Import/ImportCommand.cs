using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Import;

/// <summary><c>actors import FILE</c></summary>
internal static class ImportCommand
{
    private const string Details = """
        Formats:
          JSON lines: {"id","displayName" or "name","email","attributes":{},"counters":{},"tags":[]}
                      null leaves a value unchanged, and removes an attribute
          JSON:       [ … ] of the same objects, or one object after another, over any number of
                      lines
          CSV:        a header row of id, name, email, tags (separated by ;, or a JSON array),
                      attr.X, counter.X; attributes and counters hold a JSON object of more
                      an empty cell leaves a value unchanged
          Counters are added to the existing values. gzip files are detected.
          FILE is - for standard input: zstd -dc users.zst | actors import - --format jsonl

        Ids:
          1 to 512 bytes of UTF-8 without NUL, not blank (only white space). Any other id is
          reported and skipped.

        Resuming:
          FILE.progress records the finished lines; the same command resumes after them.
          An import from a pipe cannot be resumed.
          An import that was killed (not by Ctrl-C) repeats its last moments. Its
          counters stay exact if it is resumed within 10 minutes.

        Exit codes:
          1 if records were skipped (each is reported by its line), 4 if the cluster
          was unavailable for too long.
        """;

    public static Command Create(CommandContext context)
    {
        var file = new Argument<string>("FILE") { Description = "The file to import; - for standard input." };
        var format = OptionKinds.Word("--format", "jsonl or csv; default: from the extension of FILE, before a .gz.", "FORMAT");
        var concurrency = OptionKinds.Number("--concurrency", "Users written concurrently.", 256, 1, 10_000);
        // A finished line must survive the kill of a silo.
        var durability = OptionKinds.DurabilityOf(
            "The durability to reach before a line counts as done.", Durability.Journal, Durability.Database);
        var restart = new Option<bool>("--restart") { Description = "Start from the first line and ignore FILE.progress." };

        var command = new DetailedCommand("import", "Import users from a file or pipe: JSON lines, a JSON array, or CSV with a header row.", Details)
        {
            file, format, concurrency, durability, restart,
        };
        command.SetAction((parsed, cancellationToken) => RunAsync(
            context,
            parsed,
            new(parsed.GetRequiredValue(file), parsed.GetValue(format), parsed.GetValue(concurrency), parsed.GetValue(durability),
                parsed.GetValue(restart)),
            cancellationToken));
        return command;
    }

    private sealed record Request(string File, string? Format, int Concurrency, Durability Durability, bool IsRestart);

    private static async Task<int> RunAsync(
        CommandContext context, ParseResult parsed, Request request, CancellationToken cancellationToken)
    {
        await using var file = await ImportFile.OpenAsync(request.File, request.Format, context.OpenInput, cancellationToken);
        var unit = file.Format.Unit();
        var saved = file.IsResumable ? new ProgressFile(request.File) : null;
        var state = request.IsRestart ? null : saved?.Read(file.Fingerprint);
        state ??= new(file.Fingerprint, 0, 0, 0, false);
        var report = new ImportReport(context.Terminal, unit, parsed.IsJson());

        if (state.Complete)
        {
            context.Terminal.Note($"{saved?.Path} says that this file is already imported; use --restart to import it again");
            return report.Summarize(state);
        }
        if (state.Line > 0)
            context.Terminal.Note($"resuming after {unit} {Text.Of(state.Line)}");

        using var cluster = await context.ConnectAsync(parsed, cancellationToken);
        var importer = new Importer(cluster, file.Fingerprint, request.Durability, request.Concurrency, context.Time);
        var lines = new ContiguousLines(state.Done);
        try
        {
            await using var saving = saved is null ? null : new ProgressSaver(saved, file.Fingerprint, lines, context.Time);
            await using var progress = new Progress(context.Terminal, context.Time, Describe(context.Time, file, lines, state));
            await importer.RunAsync(file.Format.ReadAsync(file.Content, cancellationToken), lines, report.Skip, cancellationToken);
        }
        catch (Exception e) when (e is not UsageException)
        {
            var done = lines.Done;
            var isInterrupted = cancellationToken.IsCancellationRequested;
            var failure = isInterrupted ? new(ExitCode.Interrupted, "interrupted") : Failure.Of(e);
            throw new CommandFailedException(failure.ExitCode,
                $"{failure.Message.TrimEnd('.')}; stopped after {unit} {Text.Of(done.Line)} ({Text.Of(done.Imported)} imported, " +
                $"{Text.Of(done.Skipped)} skipped). " + (saved is null
                    ? "An import from a pipe cannot be resumed; another import of it adds the counters again."
                    : "Run the same command to resume."));
        }
        state = new(file.Fingerprint, lines.Done.Line, lines.Done.Imported, lines.Done.Skipped, true);
        saved?.Write(state);
        return report.Summarize(state);
    }

    private static Func<string> Describe(TimeProvider time, ImportFile file, ContiguousLines lines, ImportState start)
    {
        var began = time.GetTimestamp();
        return () =>
        {
            var done = lines.Done;
            var records = done.Imported + done.Skipped;
            var seconds = Math.Max(0.001, time.GetElapsedTime(began).TotalSeconds);
            var rate = (records - start.Imported - start.Skipped) / seconds;
            return $"{(file.Percent is { } percent ? $"{percent,3} %  " : "")}{file.Format.Unit()} {Text.Of(done.Line)}  " +
                   $"{Text.Of(done.Imported)} imported  {Text.Of(done.Skipped)} skipped  {Text.Of((long)rate)}/s";
        };
    }
}
