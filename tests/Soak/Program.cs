// dotnet run --project tests/Soak -- --minutes 10 --seed 42
// dotnet run --project tests/Soak -- --trial kills --rounds 20
//
// Runs loads and random faults on a cluster of real processes, then compares the ledgers with cluster and database. Exit
// codes: 0 no acknowledged write is missing or wrong, 1 one is, or the run did not end, 2 usage.
using System.CommandLine;
using Actors.Harness;
using Actors.Harness.Trials;
using Actors.Soak;
using Spectre.Console;

var minutes = new Option<double>("--minutes") { Description = "Duration of the faults.", DefaultValueFactory = _ => 10 };
minutes.Validators.Add(result =>
{
    if (result.Tokens is [var token] && (!double.TryParse(token.Value, out var value) || value is not (> 0 and <= 10_080)))
        result.AddError($"--minutes is {token.Value}; use more than 0, up to 10080.");
});
var seed = new Option<int?>("--seed") { Description = "Repeats the faults of an earlier run; default: a random seed, which is printed." };
var silos = Number("--silos", "Silos.", 3, 1, 16);
var users = Number("--users", "Users per load.", 1_000, 1, 1_000_000);
var concurrency = Number("--concurrency", "Calls in flight per load.", 16, 1, 1_000);
var only = new Option<string[]>("--only")
{
    Description = "Only these faults, separated by commas.",
    HelpName = "fault,fault",
    CustomParser = result => [.. result.Tokens.SelectMany(token => token.Value.Split(',', StringSplitOptions.TrimEntries))],
    DefaultValueFactory = _ => [],
};
only.Validators.Add(result =>
{
    foreach (var name in result.Tokens.SelectMany(token => token.Value.Split(',', StringSplitOptions.TrimEntries)))
    {
        if (Faults.All.All(fault => fault.Name != name))
            result.AddError($"--only: unknown fault '{name}'. Faults: {string.Join(", ", Faults.All)}.");
    }
});
var single = new Option<bool>("--single") { Description = "One fault at a time; default: a second fault may overlap." };
var list = new Option<bool>("--list") { Description = "List the faults and trials and do nothing." };
var keep = new Option<bool>("--keep") { Description = "Keep logs, ledgers and timelines even without findings." };

var trial = new Option<string>("--trial") { Description = "Run one trial instead of random faults; see --list.", HelpName = "trial" };
trial.Validators.Add(result =>
{
    if (result.Tokens is [var token] && NamedTrial.All.All(each => each.Name != token.Value))
        result.AddError($"--trial: unknown trial '{token.Value}'. Trials: {string.Join(", ", NamedTrial.All.Select(each => each.Name))}.");
});
var rounds = Number("--rounds", "Rounds of the trial.", 1, 1, 10_000);

var command = new RootCommand("Runs random faults under load: no acknowledged write may be missing or wrong.")
{
    minutes, seed, silos, users, concurrency, only, single, trial, rounds, list, keep,
};
command.SetAction((parsed, cancellationToken) =>
{
    // A file or pipe has no width; the default would break words.
    if (Console.IsOutputRedirected) AnsiConsole.Profile.Width = 140;
    if (parsed.GetValue(list))
    {
        Report.List(AnsiConsole.Console);
        return Task.FromResult(0);
    }

    var chosen = parsed.GetValue(seed) ?? Random.Shared.Next(1_000_000);
    if (NamedTrial.All.FirstOrDefault(each => each.Name == parsed.GetValue(trial)) is { } named)
    {
        int? given = parsed.GetResult(users) is { Implicit: false } ? parsed.GetValue(users) : null;
        return new TrialRun(named, new(parsed.GetValue(rounds), chosen, given), parsed.GetValue(keep)).RunAsync();
    }

    var names = parsed.GetValue(only)!;
    return new SoakRun(new()
    {
        Duration = TimeSpan.FromMinutes(parsed.GetValue(minutes)),
        Seed = chosen,
        Silos = parsed.GetValue(silos),
        Users = parsed.GetValue(users),
        Concurrency = parsed.GetValue(concurrency),
        Faults = [.. Faults.All.Where(fault => names.Length == 0 || names.Contains(fault.Name))],
        Overlaps = !parsed.GetValue(single),
        Keeps = parsed.GetValue(keep),
    }).RunAsync(cancellationToken);
});

var parsed = command.Parse(args);
if (parsed.Errors.Count == 0) return await parsed.InvokeAsync(new() { ProcessTerminationTimeout = Timeout.InfiniteTimeSpan });
foreach (var error in parsed.Errors) await Console.Error.WriteLineAsync(error.Message);
await Console.Error.WriteLineAsync("Try --help.");
return 2;

static Option<int> Number(string name, string description, int fallback, int least, int most)
{
    var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => fallback };
    option.Validators.Add(result =>
    {
        if (result.Tokens is not [var token, ..]) return;
        if (!int.TryParse(token.Value, out var value) || value < least || value > most)
            result.AddError($"{name} is {token.Value}; use {least} to {most}.");
    });
    return option;
}
