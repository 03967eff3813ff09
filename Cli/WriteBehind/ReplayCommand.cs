using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.WriteBehind;

/// <summary><c>actors writebehind replay ID…|--all</c></summary>
internal static class ReplayCommand
{
    // Small enough that each call returns soon, even if the database is slow.
    private const int BatchSize = 50;
    private const int MostNamed = 20;

    public static Command Create(CommandContext context)
    {
        var ids = new Argument<string[]>("ID") { Description = "The ids as in 'writebehind parked'.", Arity = ArgumentArity.ZeroOrMore };
        var all = new Option<bool>("--all") { Description = "Replay all parked rows." };
        var command = new Command("replay",
            "Write parked rows to the database after the cause is fixed. Exit code 1 if rows are refused again.")
        {
            ids,
            all,
        };
        command.SetAction((parsed, cancellationToken) =>
            RunAsync(context, parsed, parsed.GetValue(ids) ?? [], parsed.GetValue(all), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        CommandContext context, ParseResult parsed, string[] ids, bool isAll, CancellationToken cancellationToken)
    {
        if (isAll && ids.Length > 0)
            throw new UsageException($"'{Text.Short(ids[0])}' and --all contradict each other; use either ID… or --all");
        if (!isAll && ids.Length == 0)
            throw new UsageException("no rows given; use ID… or --all");

        using var cluster = await context.ConnectAsync(parsed, cancellationToken);
        var (sum, of) = (new ReplayResult(), (long)ids.Length);
        await using (new Progress(context.Terminal, context.Time, () => Describe(sum, of)))
        {
            if (isAll)
            {
                await foreach (var page in ParkedPages.AllAsync(cluster.WriteBehind, cancellationToken))
                {
                    of = Math.Max(of, page.Total);
                    await ReplayAsync(page.Rows.Select(row => row.Key));
                }
            }
            else
            {
                await ReplayAsync(ids.Distinct(StringComparer.Ordinal));
            }
        }

        if (parsed.IsJson())
            context.Terminal.WriteJson(sum);
        else
            context.Terminal.WriteLine(Summary(sum));
        foreach (var refusal in sum.Refusals.Take(MostNamed))
            context.Terminal.Error($"{refusal.Key}: refused again: {refusal.Reason}");
        if (sum.Refused > MostNamed)
            context.Terminal.Error($"and {Text.Of(sum.Refused - MostNamed)} more");
        return sum.Refused == 0 ? ExitCode.Done : ExitCode.Failed;

        async Task ReplayAsync(IEnumerable<string> keys)
        {
            foreach (var batch in keys.Chunk(BatchSize))
                sum = Add(sum, await cluster.WriteBehind.ReplayAsync(batch, cancellationToken));
        }
    }

    private static ReplayResult Add(ReplayResult one, ReplayResult other) => new()
    {
        Committed = one.Committed + other.Committed,
        Superseded = one.Superseded + other.Superseded,
        Refused = one.Refused + other.Refused,
        Missing = one.Missing + other.Missing,
        Refusals = [.. one.Refusals, .. other.Refusals],
    };

    private static string Describe(ReplayResult sum, long of)
    {
        var done = sum.Committed + sum.Superseded + sum.Refused + sum.Missing;
        return $"{Text.Of(done)} of {Text.Of(Math.Max(of, done))}  {Summary(sum)}";
    }

    private static string Summary(ReplayResult sum) =>
        $"{Text.Of(sum.Committed)} committed, {Text.Of(sum.Superseded)} obsolete, {Text.Of(sum.Refused)} refused again, " +
        $"{Text.Of(sum.Missing)} not parked";
}
