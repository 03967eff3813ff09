namespace Actors;

/// <summary>The state of the whole cluster. Any key will do: the grain is stateless and answers on the silo that is asked.</summary>
[Alias("Actors.IClusterGrain")]
public interface IClusterGrain : IGrainWithStringKey
{
    /// <summary>Asks every active silo for its status; one that does not answer within 5 seconds is listed as not responding.</summary>
    [Alias("GetStatus")]
    Task<ClusterStatus> GetStatusAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// The silos that were declared dead in the last two minutes without having said that they leave, as the silo that
    /// is asked has learned it. Costs no more than the call.
    /// </summary>
    [Alias("GetDeaths")]
    Task<SiloDeath[]> GetDeathsAsync(CancellationToken cancellationToken = default);
}
