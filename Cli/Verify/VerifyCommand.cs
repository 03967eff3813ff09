using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Verify;

/// <summary><c>actors verify --ledger FILE</c></summary>
internal static class VerifyCommand
{
    private const int MostNamed = 20;

    private const string Description =
        "Check cluster and database against a ledger: no acknowledged write may be missing or wrong.";

    private const string Details = """
        Flushes and reads every user of the ledger through the cluster, then reads the
        database directly. Nothing else may write to these users meanwhile. Writes
        acknowledged in memory only are not checked.

        Exit codes: 0 if nothing is wrong, else 1.
        """;

    public static Command Create(CommandContext context)
    {
        var ledger = new Option<string>("--ledger") { Description = "The ledger to check.", HelpName = "FILE", Required = true };
        var postgres = UserDatabase.PostgresOption();
        var sqlite = UserDatabase.SqliteOption();
        var concurrency = OptionKinds.Number("--concurrency", "Users checked concurrently.", 64, 1, 10_000);
        var command = new DetailedCommand("verify", Description, Details) { ledger, postgres, sqlite, concurrency };
        command.SetAction((parsed, cancellationToken) => RunAsync(
            context,
            parsed,
            parsed.GetRequiredValue(ledger),
            () => UserDatabase.Find(parsed.GetValue(postgres), parsed.GetValue(sqlite), context, "verify"),
            parsed.GetValue(concurrency),
            cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        CommandContext context, ParseResult parsed, string file, Func<UserDatabase> find, int concurrency,
        CancellationToken cancellationToken)
    {
        if (!File.Exists(file))
            throw new UsageException($"there is no ledger '{Text.Short(file)}'");
        var database = find();
        Ledger ledger;
        await using (var stream = File.OpenRead(file))
            ledger = await Ledger.ReadAsync(stream, file, cancellationToken);
        if (ledger.IsCutOff)
            context.Terminal.Note("the last line of the ledger is truncated and skipped");

        using var cluster = await context.ConnectAsync(parsed, cancellationToken);
        var verification = new Verification(ledger, cluster, database, concurrency, context.Time);
        IReadOnlyList<Finding> findings;
        await using (new Progress(context.Terminal, context.Time, verification.Describe))
            findings = await verification.RunAsync(cancellationToken);

        if (parsed.IsJson())
            WriteJson(context.Terminal, ledger, database, verification, findings);
        else
            Write(context.Terminal, ledger, database, verification, findings);
        return findings.Count == 0 ? ExitCode.Done : ExitCode.Failed;
    }

    private static void Write(
        Terminal terminal, Ledger ledger, UserDatabase database, Verification verification, IReadOnlyList<Finding> findings)
    {
        foreach (var user in findings.GroupBy(f => f.Id).Take(MostNamed))
        {
            foreach (var finding in user)
                terminal.WriteLine(Text.Printable($"{Name(finding.Offence)}: {finding.Id}: {finding.Reason}"));
        }
        if (Users(findings) is > MostNamed and var offenders)
            terminal.WriteLine($"… and {Text.Count(offenders - MostNamed, "user")} more");

        terminal.WriteLine(
            $"{Text.Count(ledger.Users.Count, "user")}, {Text.Count(ledger.Writes, "acknowledged write")}" +
            (ledger.MemoryWrites == 0 ? "" : $" (and {Text.Of(ledger.MemoryWrites)} in memory only, not checked)") +
            $"; {Text.Count(verification.RowsFound, "row")} found in {database.Description}");
        terminal.WriteLine(
            $"{Text.Of(Users(findings, Offence.Missing))} missing, {Text.Of(Users(findings, Offence.Stale))} stale, " +
            $"{Text.Of(Users(findings, Offence.Wrong))} wrong");
    }

    private static void WriteJson(
        Terminal terminal, Ledger ledger, UserDatabase database, Verification verification, IReadOnlyList<Finding> findings) =>
        terminal.WriteJson(new
        {
            Users = ledger.Users.Count,
            AcknowledgedWrites = ledger.Writes,
            ledger.MemoryWrites,
            Database = database.Description,
            verification.RowsFound,
            Missing = Users(findings, Offence.Missing),
            Stale = Users(findings, Offence.Stale),
            Wrong = Users(findings, Offence.Wrong),
            Offenders = findings.GroupBy(f => f.Id).Take(MostNamed).SelectMany(user => user),
        });

    private static long Users(IReadOnlyList<Finding> findings, Offence? offence = null) =>
        findings.Where(f => offence is null || f.Offence == offence).Select(f => f.Id).Distinct(StringComparer.Ordinal).LongCount();

    private static string Name(Offence offence) => offence switch
    {
        Offence.Missing => "missing",
        Offence.Stale => "stale",
        _ => "wrong",
    };
}
