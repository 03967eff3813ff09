using Actors.Cli.Output;

namespace Actors.Cli.Load;

/// <summary>The outcomes by which a timeline groups successful calls.</summary>
/// <param name="Name">The JSON field that holds them.</param>
/// <param name="Usual">Outcomes that are always present; others appear only if they occurred.</param>
internal sealed record LoadOutcomes(string Name, params string[] Usual)
{
    /// <summary>The durabilities that write receipts confirm.</summary>
    public static LoadOutcomes Durabilities { get; } = new("durabilities", Text.Of(Durability.Journal), Text.Of(Durability.Database));

    /// <summary>The decisions of limiters.</summary>
    public static LoadOutcomes Decisions { get; } = new(
        "decisions", DecisionMeter.Allowed, DecisionMeter.Denied, DecisionMeter.AllowedLocally, DecisionMeter.DeniedLocally);
}
