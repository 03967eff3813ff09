namespace Actors.Redis;

/// <summary>Another clock, with which this machine's clock is compared.</summary>
public interface IReferenceClock
{
    /// <summary>The name of the clock, without secrets, e.g. "PostgreSQL at db:5432/actors".</summary>
    string Name { get; }

    /// <summary>Reads the clock.</summary>
    /// <exception cref="StorageUnavailableException">The clock cannot be read.</exception>
    Task<DateTimeOffset> NowAsync(CancellationToken cancellationToken);
}
