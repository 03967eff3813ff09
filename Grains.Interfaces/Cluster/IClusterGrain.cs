namespace Actors;

/// <summary>The state of the whole cluster. Any key works: the grain is stateless and answers on the called silo.</summary>
[Alias("Actors.IClusterGrain")]
public interface IClusterGrain : IGrainWithStringKey
{
    /// <summary>Queries every active silo; one that does not answer within 5 seconds is listed as not responding.</summary>
    [Alias("GetStatus")]
    Task<ClusterStatus> GetStatusAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// The silos that were declared dead in the last two minutes without announcing that they leave, as known to the called silo. As
    /// cheap as any call.
    /// </summary>
    [Alias("GetDeaths")]
    Task<SiloDeath[]> GetDeathsAsync(CancellationToken cancellationToken = default);
}
