namespace Actors.Bench;

/// <summary>Something to measure: ours, and the peers it is held against.</summary>
/// <param name="Name">What it is called on the command line.</param>
/// <param name="Work">What is done, in a few words.</param>
/// <param name="Unit">What is counted, per second.</param>
/// <param name="Ours">Makes our contender.</param>
/// <param name="Peers">The peers, each with the ratio (ours by theirs) to reach.</param>
internal sealed record BenchCase(
    string Name, string Work, string Unit, Func<BenchServers, Contender> Ours, params BenchPeer[] Peers)
{
    /// <summary>False where nothing but this process takes part.</summary>
    public bool NeedsServers { get; init; } = true;

    /// <summary>True where ours must not allocate, beside the ratios.</summary>
    public bool AllocatesNothing { get; init; }
}

/// <summary>One peer of a case.</summary>
/// <param name="Name">What it does, in a few words.</param>
/// <param name="Target">The ratio (ours by theirs) to reach; null where it is measured for comparison only.</param>
/// <param name="Make">Makes the contender.</param>
internal sealed record BenchPeer(string Name, double? Target, Func<BenchServers, Contender> Make);
