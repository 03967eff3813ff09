namespace Actors.Bench;

/// <summary>A case to measure: ours, and the peers it is compared with.</summary>
/// <param name="Name">The name on the command line.</param>
/// <param name="Work">A short description of the work.</param>
/// <param name="Unit">The unit that is counted per second.</param>
/// <param name="Ours">Creates our contender.</param>
/// <param name="Peers">The peers, each with the target ratio (ours / theirs).</param>
internal sealed record BenchCase(
    string Name, string Work, string Unit, Func<BenchServers, Contender> Ours, params BenchPeer[] Peers)
{
    /// <summary>False if only this process takes part.</summary>
    public bool NeedsServers { get; init; } = true;

    /// <summary>True if ours must also not allocate.</summary>
    public bool AllocatesNothing { get; init; }
}

/// <summary>One peer of a case.</summary>
/// <param name="Name">A short description.</param>
/// <param name="Target">The target ratio (ours / theirs); null if it is measured for comparison only.</param>
/// <param name="Make">Creates the contender.</param>
internal sealed record BenchPeer(string Name, double? Target, Func<BenchServers, Contender> Make);
