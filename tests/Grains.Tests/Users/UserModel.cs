using Actors.Contracts;
using Actors.Users;

namespace Actors.Grains.Tests.Users;

/// <summary>The specification of <see cref="UserState"/> as a simple model: mutable, with the whole history.</summary>
internal sealed class UserModel
{
    private readonly List<(string Id, long Version, DateTimeOffset At)> _requests = [];
    private SortedDictionary<string, string> _attributes = new(StringComparer.Ordinal);
    private SortedDictionary<string, Int128> _counters = new(StringComparer.Ordinal);
    private SortedSet<string> _tags = new(StringComparer.Ordinal);
    private string? _name;
    private string? _email;
    private DateTimeOffset _created;
    private DateTimeOffset _updated;
    private bool _exists;

    public long Version { get; private set; }

    public long? VersionOf(string? requestId, DateTimeOffset now)
    {
        var remembered = _requests.TakeLast(32).Where(request => now - request.At < TimeSpan.FromMinutes(10));
        return remembered.Where(request => request.Id == requestId).Select(request => (long?)request.Version).LastOrDefault();
    }

    /// <summary>False if the change must be rejected because a counter would leave its range.</summary>
    public bool TryDo(Change change, DateTimeOffset now)
    {
        if (change.Patch is not { } patch)
        {
            Clear();
        }
        else
        {
            foreach (var (name, amount) in patch.Increment ?? [])
                if ((_exists ? _counters.GetValueOrDefault(name) : 0) + amount is var sum && (sum < long.MinValue || sum > long.MaxValue)) return false;
            if (!_exists) (_exists, _created) = (true, now);
            Merge(patch);
            _updated = now;
        }

        Version++;
        if (change.RequestId is { } request) _requests.Add((request, Version, now));
        return true;
    }

    public UserState ToState(string id, DateTimeOffset now) => UserState.Restore(
        Version,
        !_exists ? null : new User
        {
            Id = id,
            Version = Version,
            DisplayName = _name,
            Email = _email,
            Attributes = _attributes,
            Counters = _counters.ToDictionary(pair => pair.Key, pair => (long)pair.Value),
            Tags = _tags,
            CreatedAt = _created,
            UpdatedAt = _updated,
        },
        [.. _requests.TakeLast(32).Where(request => now - request.At < TimeSpan.FromMinutes(10)).Select(request => new RememberedRequest(request.Id, request.Version, request.At))]);

    private void Merge(UserPatch patch)
    {
        if (patch.DisplayName is not null) _name = patch.DisplayName.Length == 0 ? null : patch.DisplayName;
        if (patch.Email is not null) _email = patch.Email.Length == 0 ? null : patch.Email;
        foreach (var (name, value) in patch.Attributes ?? [])
        {
            _attributes.Remove(name);
            if (value is not null) _attributes.Add(name, value);
        }

        foreach (var (name, amount) in patch.Increment ?? []) _counters[name] = _counters.GetValueOrDefault(name) + amount;
        foreach (var tag in patch.AddTags ?? []) _tags.Add(tag);
        foreach (var tag in patch.RemoveTags ?? []) _tags.Remove(tag);
    }

    private void Clear()
    {
        _exists = false;
        (_name, _email) = (null, null);
        (_attributes, _counters, _tags) = (new(StringComparer.Ordinal), new(StringComparer.Ordinal), new(StringComparer.Ordinal));
    }
}
