namespace Actors.Redis;

/// <summary>A clock elsewhere that this machine's is held against.</summary>
public interface IReferenceClock
{
    /// <summary>Whose it is, without secrets, e.g. "PostgreSQL at db:5432/actors".</summary>
    string Name { get; }

    /// <summary>What it shows.</summary>
    /// <exception cref="StorageUnavailableException">It cannot be asked.</exception>
    Task<DateTimeOffset> NowAsync(CancellationToken cancellationToken);
}
