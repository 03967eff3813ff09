using Actors.Cli.Output;

namespace Actors.Cli.Load;

/// <summary>What the successful calls of a load are told apart by in its timeline.</summary>
/// <param name="Name">The field they are under.</param>
/// <param name="Usual">Those a reader may count on to be there; others are there where they occurred.</param>
internal sealed record LoadOutcomes(string Name, params string[] Usual)
{
    /// <summary>What receipts of writes say was reached.</summary>
    public static LoadOutcomes Durabilities { get; } = new("durabilities", Text.Of(Durability.Journal), Text.Of(Durability.Database));

    /// <summary>What limiters decided.</summary>
    public static LoadOutcomes Decisions { get; } = new(
        "decisions", DecisionMeter.Allowed, DecisionMeter.Denied, DecisionMeter.AllowedLocally, DecisionMeter.DeniedLocally);
}
