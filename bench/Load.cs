namespace Actors.Bench;

/// <summary>How hard and how long to measure; the same for ours and the peers.</summary>
/// <param name="Rounds">Rounds, of which the median counts. In each, every contender has one turn.</param>
/// <param name="WarmUp">How long each contender runs before the first round, uncounted.</param>
/// <param name="Duration">How long a turn lasts, where it is not a fixed amount of work.</param>
/// <param name="Callers">Concurrent callers, each of which waits for its answer before it calls again.</param>
/// <param name="Users">Users written to over and over.</param>
/// <param name="Rows">Rows to drain.</param>
internal sealed record Load(int Rounds, TimeSpan WarmUp, TimeSpan Duration, int Callers, int Users, int Rows)
{
    public static Load Full { get; } = new(5, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5), 512, 10_000, 500_000);

    public static Load Quick { get; } = Full with { Rounds = 1, WarmUp = TimeSpan.FromSeconds(2), Duration = TimeSpan.FromSeconds(2), Rows = 50_000 };
}
