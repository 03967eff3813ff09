using Actors.Redis;

namespace Actors.Users;

/// <summary>An accepted request id and the version its write made.</summary>
/// <param name="Id">The id.</param>
/// <param name="Version">The version.</param>
/// <param name="At">The time by the latest of the clocks known to the silo, so that no id is forgotten early.</param>
internal sealed record RememberedRequest(string Id, long Version, DateTimeOffset At);

/// <summary>
/// The state of a user as of one version: the user (null if it never existed or is deleted) and the remembered request ids.
/// Immutable; each change creates a new one.
/// </summary>
internal sealed record UserState
{
    /// <summary>The state of a user that never existed.</summary>
    public static UserState None { get; } = new();

    // Shared empty collections, never written to: most users lack some of the three.
    public static IReadOnlyDictionary<string, string> NoAttributes { get; } = new Dictionary<string, string>();

    public static IReadOnlyDictionary<string, long> NoCounters { get; } = new Dictionary<string, long>();

    public static IReadOnlySet<string> NoTags { get; } = new HashSet<string>();

    public long Version { get; private init; }

    public User? User { get; private init; }

    public IReadOnlyList<RememberedRequest> Requests { get; private init; } = [];

    /// <summary>The version readers see: 0 if there is no user.</summary>
    public long ExistingVersion => User?.Version ?? 0;

    public static UserState Restore(long version, User? user, IReadOnlyList<RememberedRequest> requests) =>
        new() { Version = version, User = user, Requests = requests };

    /// <summary>The version that <paramref name="requestId"/> made, if it was accepted and is still remembered.</summary>
    public long? VersionOf(string? requestId, ClockReading now)
    {
        if (requestId is null) return null;
        foreach (var request in Requests)
            if (request.Id == requestId && IsRemembered(request, now)) return request.Version;
        return null;
    }

    /// <summary>The state after <paramref name="patch"/>, which must be valid.</summary>
    public UserState Apply(string id, UserPatch patch, string? requestId, ClockReading now)
    {
        var user = User ?? new User { Id = id, Version = 0, CreatedAt = now.Now, UpdatedAt = now.Now };
        return Next(requestId, now) with
        {
            User = user with
            {
                Version = Version + 1,
                DisplayName = Changed(user.DisplayName, patch.DisplayName),
                Email = Changed(user.Email, patch.Email),
                Attributes = Merge(user.Attributes, patch.Attributes),
                Counters = Add(user.Counters, patch.Increment),
                Tags = Retag(user.Tags, patch),
                UpdatedAt = now.Now,
            },
        };
    }

    /// <summary>The state after a delete: a tombstone that keeps the version.</summary>
    public UserState Delete(string? requestId, ClockReading now) => Next(requestId, now) with { User = null };

    private UserState Next(string? requestId, ClockReading now) => new()
    {
        Version = Version + 1,
        Requests = requestId is null && Requests.Count == 0
            ? []
            : [.. Remember(requestId is null ? Requests : [.. Requests, new RememberedRequest(requestId, Version + 1, now.Latest)], now)],
    };

    private static IEnumerable<RememberedRequest> Remember(IReadOnlyList<RememberedRequest> requests, ClockReading now) =>
        requests.TakeLast(UserLimits.RememberedRequests).Where(request => IsRemembered(request, now));

    private static bool IsRemembered(RememberedRequest request, ClockReading now) => now.Earliest - request.At < UserLimits.RequestIdMemory;

    private static string? Changed(string? current, string? patch) => patch switch { null => current, "" => null, _ => patch };

    private static IReadOnlyDictionary<string, string> Merge(
        IReadOnlyDictionary<string, string> current, Dictionary<string, string?>? patch)
    {
        if (patch is null or { Count: 0 }) return current;
        var merged = new Dictionary<string, string>(current);
        foreach (var (name, value) in patch)
        {
            if (value is null) merged.Remove(name);
            else merged[name] = value;
        }

        return merged;
    }

    private static IReadOnlyDictionary<string, long> Add(IReadOnlyDictionary<string, long> current, Dictionary<string, long>? patch)
    {
        if (patch is null or { Count: 0 }) return current;
        var added = new Dictionary<string, long>(current);
        foreach (var (name, amount) in patch)
        {
            var value = added.GetValueOrDefault(name);
            try
            {
                added[name] = checked(value + amount);
            }
            catch (OverflowException)
            {
                throw new InvalidUserException(
                    $"Counter {WellFormedText.Quote(name)} is {value} and cannot be changed by {amount}; it must stay from {long.MinValue} to {long.MaxValue}.");
            }
        }

        return added;
    }

    private static IReadOnlySet<string> Retag(IReadOnlySet<string> current, UserPatch patch)
    {
        if (patch.AddTags is null or { Count: 0 } && patch.RemoveTags is null or { Count: 0 }) return current;
        var tags = new HashSet<string>(current);
        tags.UnionWith(patch.AddTags ?? []);
        tags.ExceptWith(patch.RemoveTags ?? []);
        return tags;
    }
}
