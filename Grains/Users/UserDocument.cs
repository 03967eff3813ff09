using System.Text.Json;
using System.Text.Json.Serialization;
using Actors.Core;
using Actors.WriteBehind;

namespace Actors.Users;

/// <summary>
/// A <see cref="UserState"/> as JSON, as stored in the journal, the cache and the column <c>state</c>. Null, empty and false fields
/// are omitted. Times are milliseconds since 1970. A field never changes its name or meaning; new fields may be added.
/// </summary>
internal sealed class UserDocument
{
    public string? DisplayName { get; init; }

    public string? Email { get; init; }

    public IReadOnlyDictionary<string, string>? Attributes { get; init; }

    public IReadOnlyDictionary<string, long>? Counters { get; init; }

    public IEnumerable<string>? Tags { get; init; }

    public long CreatedAt { get; init; }

    public long UpdatedAt { get; init; }

    public bool Deleted { get; init; }

    public IReadOnlyList<Request>? Requests { get; init; }

    public static Row ToRow(Ownership owner, UserState state)
    {
        var user = state.User;
        var document = new UserDocument
        {
            DisplayName = user?.DisplayName,
            Email = user?.Email,
            Attributes = user?.Attributes is { Count: > 0 } attributes ? attributes : null,
            Counters = user?.Counters is { Count: > 0 } counters ? counters : null,
            Tags = user?.Tags is { Count: > 0 } tags ? tags : null,
            CreatedAt = user?.CreatedAt.ToUnixTimeMilliseconds() ?? 0,
            UpdatedAt = user?.UpdatedAt.ToUnixTimeMilliseconds() ?? 0,
            Deleted = user is null,
            Requests = state.Requests is { Count: > 0 } requests ? [.. requests.Select(Request.From)] : null,
        };
        return new Row(owner.Key, state.Version, owner.Epoch, JsonSerializer.SerializeToUtf8Bytes(document, UserJson.Default.UserDocument))
        {
            MayBeJournaled = !owner.IsWithoutJournal,
            MayBeCached = owner.MayBeCached,
        };
    }

    public static UserState FromRow(Row row)
    {
        var document = JsonSerializer.Deserialize(row.State.Span, UserJson.Default.UserDocument)
            ?? throw new JsonException($"The state of user {WellFormedText.Quote(row.Key)} is null.");
        var user = document.Deleted ? null : new User
        {
            Id = row.Key,
            Version = row.Version,
            DisplayName = document.DisplayName,
            Email = document.Email,
            Attributes = document.Attributes ?? UserState.NoAttributes,
            Counters = document.Counters ?? UserState.NoCounters,
            Tags = document.Tags is null ? UserState.NoTags : new HashSet<string>(document.Tags),
            CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(document.CreatedAt),
            UpdatedAt = DateTimeOffset.FromUnixTimeMilliseconds(document.UpdatedAt),
        };
        return UserState.Restore(row.Version, user, document.Requests is null ? [] : [.. document.Requests.Select(request => request.ToRequest())]);
    }

    /// <summary>A remembered request id.</summary>
    internal sealed class Request
    {
        public required string Id { get; init; }

        public required long Version { get; init; }

        // Not required, because 0 is omitted like any default value.
        public long At { get; init; }

        public static Request From(RememberedRequest request) =>
            new() { Id = request.Id, Version = request.Version, At = request.At.ToUnixTimeMilliseconds() };

        public RememberedRequest ToRequest() => new(Id, Version, DateTimeOffset.FromUnixTimeMilliseconds(At));
    }
}

/// <summary>Generated (de)serialization of <see cref="UserDocument"/>.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(UserDocument))]
internal sealed partial class UserJson : JsonSerializerContext;
