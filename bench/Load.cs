namespace Actors.Bench;

/// <summary>The load and duration of a measurement; the same for ours and the peers.</summary>
/// <param name="Rounds">Rounds; the median counts. Every contender has one turn per round.</param>
/// <param name="WarmUp">How long each contender warms up before the first round.</param>
/// <param name="Duration">The duration of a turn, unless it is a fixed amount of work.</param>
/// <param name="Callers">Concurrent callers, each waiting for its answer before the next call.</param>
/// <param name="Users">The number of users that are written repeatedly.</param>
/// <param name="Rows">The number of rows to drain.</param>
internal sealed record Load(int Rounds, TimeSpan WarmUp, TimeSpan Duration, int Callers, int Users, int Rows)
{
    public static Load Full { get; } = new(5, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5), 512, 10_000, 500_000);

    public static Load Quick { get; } = Full with { Rounds = 1, WarmUp = TimeSpan.FromSeconds(1), Duration = TimeSpan.FromSeconds(2), Rows = 50_000 };
}
