// dotnet run -c Release --project bench -- CASE… [--json FILE] [--quick]
//
// Measures Actors and its peers in turn, in one process (the cases app.*: from an app in a process of its own) and over the
// same servers, and prints the medians and their ratio. Exit codes: 0 measured, 1 failed, 2 usage.
using System.CommandLine;
using Actors.Bench;
using Actors.Bench.App;
using Actors.Bench.App.Http;
using Actors.Bench.Growth;
using Actors.Bench.Scale;
using Spectre.Console;

// The processes that cases from an app start besides; not for users.
switch (args)
{
    case [AppCluster.WorkerVerb]:
        await AppWorker.RunAsync();
        return 0;
    case [AppCluster.FloorVerb]:
        await FloorSilo.RunAsync();
        return 0;
    case [AppCluster.HttpVerb, var variant, var url]:
        await HttpApp.RunAsync(variant, url);
        return 0;
}

var cases = new Argument<string[]>("CASE")
{
    Description = "The cases to measure; all if none is given.",
    Arity = ArgumentArity.ZeroOrMore,
};
cases.Validators.Add(result =>
{
    foreach (var name in result.Tokens.Select(token => token.Value).Where(name => Cases.Find(name) is null))
        result.AddError($"Unknown case '{name}'. Cases: {string.Join(", ", Cases.All.Select(each => each.Name))}.");
});
var list = new Option<bool>("--list") { Description = "List the cases and measure nothing." };
var json = new Option<FileInfo?>("--json") { Description = "Also write the results to this file." };
json.Validators.Add(result =>
{
    if (result.Tokens is [var path, ..] && new FileInfo(path.Value).Directory is { Exists: false } directory)
        result.AddError($"--json: directory {directory.FullName} does not exist.");
});
var quick = new Option<bool>("--quick") { Description = "One short round and fewer rows: a smoke test, not a measurement." };
var details = new Option<bool>("--details") { Description = "Also print the cost of a write, row or call: allocations and CPU time." };
var alone = new Option<bool>("--alone") { Description = "Skip the peers and print the details of ours, for a profiler." };
var growth = new Option<string?>("--growth")
{
    Description = "Instead of cases, measure how cost grows: of unflushed users with their number (users), of limited clients with their limits (limits), of an app with the ids it has called (app); all if none is named.",
    Arity = ArgumentArity.ZeroOrOne,
};
growth.AcceptOnlyFromAmong("users", "limits", "app");
var scale = new Option<bool>("--scale")
{
    Description = "Instead of cases, measure an app with one, two and three silos, and while a fourth joins.",
};
var rounds = Number("--rounds", "Number of rounds; the median counts. Default: 5.", 1, 100);
var seconds = Number("--seconds", "Seconds per turn. Default: 5.", 1, 600);
var callers = Number("--callers", "Concurrent callers. Default: 512.", 1, 100_000);

var command = new RootCommand("Measures Actors and its peers side by side.")
{
    cases, list, growth, scale, json, quick, details, alone, rounds, seconds, callers,
};
command.SetAction(async (parsed, cancellationToken) =>
{
    // A file or pipe has no width; the default would break words.
    if (Console.IsOutputRedirected) AnsiConsole.Profile.Width = 140;
    if (parsed.GetValue(list))
    {
        Report.List(AnsiConsole.Console);
        return 0;
    }

    if (parsed.GetResult(growth) is not null)
    {
        var only = parsed.GetValue(growth);
        using var progress = new ProgressLine();
        if (only is null or "app") Report.Print(AnsiConsole.Console, await AppGrowth.RunAsync(progress, cancellationToken));
        if (only is null or "users") Report.Print(AnsiConsole.Console, await Growth.RunAsync(progress, cancellationToken));
        if (only is null or "limits") Report.Print(AnsiConsole.Console, await LimitGrowth.RunAsync(progress, cancellationToken));
        return 0;
    }

    if (parsed.GetValue(scale))
    {
        IReadOnlyList<ScaleStep> steps;
        IReadOnlyList<JoinStep> join;
        using (var progress = new ProgressLine()) (steps, join) = await Scale.RunAsync(progress, cancellationToken);
        AnsiConsole.Console.WriteLine(Machine.Describe());
        Report.Print(AnsiConsole.Console, steps, join);
        return 0;
    }

    var load = parsed.GetValue(quick) ? Load.Quick : Load.Full;
    load = load with
    {
        Rounds = parsed.GetValue(rounds) ?? load.Rounds,
        Duration = parsed.GetValue(seconds) is { } asked ? TimeSpan.FromSeconds(asked) : load.Duration,
        Callers = parsed.GetValue(callers) ?? load.Callers,
    };
    var isAlone = parsed.GetValue(alone);
    var names = parsed.GetValue(cases) is { Length: > 0 } named ? named : Cases.All.Select(each => each.Name);
    var results = new List<CaseResult>();
    using (var progress = new ProgressLine())
    {
        try
        {
            foreach (var each in names.Distinct().Select(name => Cases.Find(name)!))
                results.Add(await Rounds.RunAsync(isAlone ? each with { Peers = [] } : each, load, progress, cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return 1;
        }
    }

    AnsiConsole.Console.WriteLine(Machine.Describe());
    if (!isAlone) Report.Print(AnsiConsole.Console, results);
    if (isAlone || parsed.GetValue(details))
    {
        Report.PrintDetails(AnsiConsole.Console, results);
        AppReport.PrintDetails(AnsiConsole.Console, results);
    }

    Report.PrintDoubts(AnsiConsole.Console, results);
    if (parsed.GetValue(json) is { } file) await Report.WriteJsonAsync(file, results);
    return 0;
});

var parsed = command.Parse(args);
if (parsed.Errors.Count == 0) return await parsed.InvokeAsync();
foreach (var error in parsed.Errors) await Console.Error.WriteLineAsync(error.Message);
await Console.Error.WriteLineAsync("Try --help.");
return 2;

static Option<int?> Number(string name, string description, int least, int most)
{
    var option = new Option<int?>(name) { Description = description };
    option.Validators.Add(result =>
    {
        if (result.Tokens is not [var token, ..]) return;
        if (!int.TryParse(token.Value, out var value) || value < least || value > most)
            result.AddError($"{name} is {token.Value}; use {least} to {most}.");
    });
    return option;
}
