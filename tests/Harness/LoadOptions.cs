namespace Actors.Harness;

/// <summary>A load on the cluster from a separate client process.</summary>
/// <param name="Name">Names its files, and its users unless <see cref="Prefix"/> does.</param>
public sealed record LoadOptions(string Name)
{
    /// <summary>True for reads, false for writes.</summary>
    public bool IsReads { get; init; }

    /// <summary>The options of a limiter load; null for other loads.</summary>
    public LimitLoad? Limits { get; init; }

    /// <summary>The number of users; for limiters, of clients.</summary>
    public int Users { get; init; } = 300;

    /// <summary>The maximum number of calls in flight.</summary>
    public int Concurrency { get; init; } = 32;

    /// <summary>Calls started per second, whatever the latency; null if each caller starts the next call after a response.</summary>
    public int? Rate { get; init; }

    /// <summary>Its duration unless it is stopped earlier.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromHours(12);

    /// <summary>The durability of writes: memory, journal, database, or several, separated by commas.</summary>
    public string Durability { get; init; } = "journal";

    /// <summary>Writes have request ids and are retried until their receipt is known, so counters are exact.</summary>
    public bool HasRequestIds { get; init; }

    /// <summary>
    /// The response timeout. Calls lost with a killed silo, and the workers that made them, wait this long: use a short one if the
    /// load must continue during such faults. A commit may take 10 s.
    /// </summary>
    public TimeSpan ResponseTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>An environment in which all calls that may travel together do so; otherwise, only those above 64 for each silo.</summary>
    public static IReadOnlyDictionary<string, string> Together { get; } =
        new Dictionary<string, string> { ["Actors__Client__CoalesceAbove"] = "0" };

    /// <summary>Environment variables of the process in addition to those of the deployment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The prefix of its user ids. No other process writes the users of a write load.</summary>
    public string Prefix { get => field ?? $"{Name}-"; init; }
}

/// <summary>The options of a limiter load: 1 to 10 permits per call, at random.</summary>
/// <param name="Policy">The policy.</param>
/// <param name="Wait">The maximum wait of a call.</param>
/// <param name="Spins">Whether a denied caller retries at once instead of after retry-after.</param>
public sealed record LimitLoad(string Policy, TimeSpan Wait, bool Spins = false);
