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
          CSV:        a header row of id, name, email, tags (separated by ;), attr.X, counter.X
                      an empty cell leaves a value unchanged
          Counters are added to what is there.

        Resuming:
          FILE.progress records how far all is done; the same command goes on from there.
          An import that was killed outright (not by Ctrl-C) repeats its last moments. Its
          counters stay exact if it is resumed within 10 minutes.

        Exit codes:
          1 where records were skipped (each is reported by its line), 4 where the cluster
          was unavailable for too long.
        """;

    public static Command Create(CommandContext context)
    {
        var file = new Argument<string>("FILE") { Description = "The file to import." };
        var format = OptionKinds.Word("--format", "jsonl or csv; default: by the extension of FILE.", "FORMAT");
        var concurrency = OptionKinds.Number("--concurrency", "Users written at the same time.", 256, 1, 10_000);
        // An import must not tick off a line that a killed silo would lose.
        var durability = OptionKinds.DurabilityOf(
            "What must be reached before a line counts as done.", Durability.Journal, Durability.Database);
        var restart = new Option<bool>("--restart") { Description = "Begin from the first line, whatever FILE.progress says." };

        var command = new DetailedCommand("import", "Import users from a file: JSON lines, or CSV with a header row.", Details)
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
        if (!File.Exists(request.File))
            throw new UsageException($"there is no file '{Text.Short(request.File)}'");
        var format = ImportFormats.Of(request.Format, request.File);
        await using var stream = new FileStream(
            request.File, FileMode.Open, FileAccess.Read, FileShare.Read, 64 * 1024,
            FileOptions.Asynchronous | FileOptions.SequentialScan);
        var fingerprint = await Fingerprint.OfAsync(stream, cancellationToken);
        var saved = new ProgressFile(request.File);
        var state = request.IsRestart ? null : saved.Read(fingerprint);
        state ??= new(fingerprint, 0, 0, 0, false);
        var report = new ImportReport(context.Terminal, parsed.IsJson());

        if (state.Complete)
        {
            context.Terminal.Note($"{saved.Path} says that this file is imported already; --restart imports it again");
            return report.Summarize(state);
        }
        if (state.Line > 0)
            context.Terminal.Note($"going on after line {Text.Of(state.Line)}");

        await using var cluster = await context.ConnectAsync(parsed, cancellationToken);
        var importer = new Importer(cluster, fingerprint, request.Durability, request.Concurrency, context.Time);
        var lines = new ContiguousLines(state.Done);
        try
        {
            await using var saving = new ProgressSaver(saved, fingerprint, lines, context.Time);
            await using var progress = new Progress(context.Terminal, context.Time, Describe(context.Time, stream, lines, state));
            await importer.RunAsync(format.ReadAsync(stream, cancellationToken), lines, report.Skip, cancellationToken);
        }
        catch (Exception e) when (e is not UsageException)
        {
            var done = lines.Done;
            var isInterrupted = cancellationToken.IsCancellationRequested;
            var failure = isInterrupted ? new(ExitCode.Interrupted, "interrupted") : Failure.Of(e);
            throw new CommandFailedException(failure.ExitCode,
                $"{failure.Message.TrimEnd('.')}; stopped after line {Text.Of(done.Line)} ({Text.Of(done.Imported)} imported, " +
                $"{Text.Of(done.Skipped)} skipped). The same command goes on from there.");
        }
        state = new(fingerprint, lines.Done.Line, lines.Done.Imported, lines.Done.Skipped, true);
        saved.Write(state);
        return report.Summarize(state);
    }

    private static Func<string> Describe(TimeProvider time, Stream stream, ContiguousLines lines, ImportState start)
    {
        var began = time.GetTimestamp();
        var length = Math.Max(1, stream.Length);
        return () =>
        {
            var done = lines.Done;
            var records = done.Imported + done.Skipped;
            var seconds = Math.Max(0.001, time.GetElapsedTime(began).TotalSeconds);
            var rate = (records - start.Imported - start.Skipped) / seconds;
            return $"{stream.Position * 100 / length,3} %  line {Text.Of(done.Line)}  {Text.Of(done.Imported)} imported  " +
                   $"{Text.Of(done.Skipped)} skipped  {Text.Of((long)rate)}/s";
        };
    }
}
