namespace Actors.Harness;

/// <summary>A load that a client process of its own puts on the cluster.</summary>
/// <param name="Name">Names its files, and its users unless <see cref="Prefix"/> does.</param>
public sealed record LoadOptions(string Name)
{
    /// <summary>True for reads, false for writes.</summary>
    public bool IsReads { get; init; }

    /// <summary>What is asked of limiters, where that is the load; else null.</summary>
    public LimitLoad? Limits { get; init; }

    /// <summary>How many users there are; of limiters, clients.</summary>
    public int Users { get; init; } = 300;

    /// <summary>Calls in flight.</summary>
    public int Concurrency { get; init; } = 32;

    /// <summary>Calls begun per second, however long answers take; null where each caller calls again once it was answered.</summary>
    public int? Rate { get; init; }

    /// <summary>How long it runs unless it is stopped before.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromHours(12);

    /// <summary>What writes ask for: memory, journal, database, or several of them, separated by commas.</summary>
    public string Durability { get; init; } = "journal";

    /// <summary>Writes are named, repeated until their receipt is known, and their counters are exact.</summary>
    public bool HasRequestIds { get; init; }

    /// <summary>
    /// How long a call waits for its answer. Calls that a silo took with it when it was killed wait this long in vain, and
    /// with them the workers of the load: short, where a load is to go on beside such faults. A commit may take 10 s.
    /// </summary>
    public TimeSpan ResponseTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>What the process finds in its environment besides what all of the deployment do.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>What the ids of its users begin with. A load of writes has users that nobody else writes to.</summary>
    public string Prefix { get => field ?? $"{Name}-"; init; }
}

/// <summary>What a load asks of limiters: 1 to 10 permits a call, at random.</summary>
/// <param name="Policy">The policy.</param>
/// <param name="Wait">How long calls wait for their turn.</param>
/// <param name="Spins">Whether a caller that is denied calls again at once, rather than when the denial says.</param>
public sealed record LimitLoad(string Policy, TimeSpan Wait, bool Spins = false);
