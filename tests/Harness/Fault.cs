namespace Actors.Harness;

/// <summary>The part that a fault affects. Of two faults of the same part, one hides the other.</summary>
public enum FaultPart
{
    /// <summary>A silo's process.</summary>
    Silo,

    /// <summary>The Redis of all silos.</summary>
    Redis,

    /// <summary>One silo's connections to Redis.</summary>
    RedisLink,

    Postgres,
}

/// <summary>
/// The copies of acknowledged, unflushed writes that a fault may destroy. A journaled write has two copies until it is in the
/// database: one in the silo's memory and one in the journal.
/// </summary>
public enum Losses
{
    /// <summary>None: a part is down and comes back unchanged.</summary>
    None,

    /// <summary>The memory of one silo.</summary>
    SiloMemory,

    /// <summary>The last writes of the journal: Redis delays writes of its log while a sync is slow.</summary>
    JournalTail,

    /// <summary>The whole journal, and the membership table with it.</summary>
    Journal,
}

/// <summary>A named fault.</summary>
/// <param name="Name">The name that selects it.</param>
/// <param name="Part">The affected part.</param>
/// <param name="Losses">The copies that it may destroy.</param>
/// <param name="Description">A description for people.</param>
/// <param name="Begin">Starts the fault and returns the function that ends it. The number is the place of a silo.</param>
public sealed record Fault(string Name, FaultPart Part, Losses Losses, string Description, Func<Deployment, int, Task<Func<Task>>> Begin)
{
    /// <summary>True if it affects one silo, so that the choice matters.</summary>
    public bool IsOfOneSilo => Part is FaultPart.Silo or FaultPart.RedisLink;

    /// <summary>Starts the fault.</summary>
    /// <param name="deployment">The deployment.</param>
    /// <param name="silo">The place of the silo, for faults of one silo.</param>
    public async Task<OngoingFault> BeginAsync(Deployment deployment, int silo = 0) => new(await Begin(deployment, silo));

    /// <summary>Starts the fault and ends it after <paramref name="duration"/>.</summary>
    public async Task RunAsync(Deployment deployment, TimeSpan duration, int silo = 0, CancellationToken cancellationToken = default)
    {
        await using var ongoing = await BeginAsync(deployment, silo);

        // Cancellation ends the fault without an exception.
        await Task.Delay(duration, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>
    /// Whether both may overlap without a loss of acknowledged writes. The guarantee covers any one failure: two faults that
    /// destroy both copies of a write, or all of Redis and anything else, may lose data and prove nothing.
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

/// <summary>A fault in progress.</summary>
public sealed class OngoingFault(Func<Task> end) : IAsyncDisposable
{
    private Task? _ended;

    /// <summary>Ends the fault once; returns when the part has recovered.</summary>
    public Task EndAsync() => _ended ??= end();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await EndAsync();
}
