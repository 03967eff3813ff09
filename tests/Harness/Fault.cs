namespace Actors.Harness;

/// <summary>What a fault applies to. Of two faults with the same part, one hides the other.</summary>
public enum FaultPart
{
    /// <summary>A silo's process.</summary>
    Silo,

    /// <summary>The Redis of all silos.</summary>
    Redis,

    /// <summary>One silo's way to Redis.</summary>
    RedisLink,

    /// <summary>PostgreSQL.</summary>
    Postgres,
}

/// <summary>
/// Which copies of acknowledged and unflushed writes a fault may destroy. A journaled write has two, one in the silo's
/// memory and one in the journal, until it is in the database.
/// </summary>
public enum Losses
{
    /// <summary>None: something is away, and comes back as it was.</summary>
    None,

    /// <summary>What one silo has in memory.</summary>
    SiloMemory,

    /// <summary>What the journal took last: Redis delays the writing of its log while a sync takes long.</summary>
    JournalTail,

    /// <summary>All that is in the journal, and the table of members with it.</summary>
    Journal,
}

/// <summary>A fault by its name.</summary>
/// <param name="Name">What it is asked for by.</param>
/// <param name="Part">What it applies to.</param>
/// <param name="Losses">What it may destroy.</param>
/// <param name="Description">What happens, for people.</param>
/// <param name="Begin">Brings it about, and returns what ends it. The number is the place of a silo.</param>
public sealed record Fault(string Name, FaultPart Part, Losses Losses, string Description, Func<Deployment, int, Task<Func<Task>>> Begin)
{
    /// <summary>True where it is about one silo, and it matters which.</summary>
    public bool IsOfOneSilo => Part is FaultPart.Silo or FaultPart.RedisLink;

    /// <summary>Brings it about.</summary>
    /// <param name="deployment">Where.</param>
    /// <param name="silo">The place of the silo, where it is about one.</param>
    public async Task<OngoingFault> BeginAsync(Deployment deployment, int silo = 0) => new(await Begin(deployment, silo));

    /// <summary>Brings it about, and ends it after <paramref name="duration"/>.</summary>
    public async Task RunAsync(Deployment deployment, TimeSpan duration, int silo = 0, CancellationToken cancellationToken = default)
    {
        await using var ongoing = await BeginAsync(deployment, silo);

        // Whoever cancels wants it ended, and no exception.
        await Task.Delay(duration, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>
    /// Whether both may be under way at once, so that still nothing acknowledged may be lost. The promise is for any one
    /// failure: two that destroy both copies of a write, or all of Redis and anything else, are allowed to lose data, and
    /// to bring them about would prove nothing.
    /// </summary>
    public bool GoesWith(Fault other)
    {
        if (Part == other.Part || (IsOfOneSilo && other.IsOfOneSilo)) return false;
        if (Losses == Losses.Journal || other.Losses == Losses.Journal) return false;
        return Losses == Losses.None || other.Losses == Losses.None;
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>A fault that has begun.</summary>
public sealed class OngoingFault(Func<Task> end) : IAsyncDisposable
{
    private Task? _ended;

    /// <summary>Ends it, once; returns when the part is back.</summary>
    public Task EndAsync() => _ended ??= end();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await EndAsync();
}
