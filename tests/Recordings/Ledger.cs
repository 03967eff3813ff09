using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Actors.Recordings;

/// <summary>Where the latest state of a user was when the silo was killed.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Place>))]
public enum Place
{
    /// <summary>In the journal only; the killed silo owned the user.</summary>
    Journal,

    /// <summary>In the journal only; the silo had deactivated the user, so its entry has no owner.</summary>
    Released,

    /// <summary>In the table; the killed silo owned the user.</summary>
    Table,

    /// <summary>Parked, because the table refused it.</summary>
    Parked,
}

/// <summary>What the silo had acknowledged of a user.</summary>
/// <param name="Id">The user id.</param>
/// <param name="Version">The latest version.</param>
/// <param name="State">The latest state, see <see cref="Ledger.StateOf"/>; null if the user was deleted.</param>
/// <param name="Place">Where that state was.</param>
/// <param name="Requests">The request ids and the versions that their receipts named.</param>
public sealed record RecordedUser(string Id, long Version, JsonNode? State, Place Place, IReadOnlyDictionary<string, long> Requests);

/// <summary>A grant to a request with an id.</summary>
/// <param name="RequestId">The request id.</param>
/// <param name="Permits">The permits.</param>
/// <param name="DecidedAt">The time from which they count.</param>
public sealed record RecordedGrant(string RequestId, int Permits, DateTimeOffset DecidedAt);

/// <summary>What the silo had granted to a client under its policy "default".</summary>
/// <param name="Id">The client id.</param>
/// <param name="Policies">The client's own policies.</param>
/// <param name="Granted">All granted permits.</param>
/// <param name="Grants">The grants to requests with an id.</param>
public sealed record RecordedClient(string Id, IReadOnlyList<RateLimitPolicy> Policies, int Granted, IReadOnlyList<RecordedGrant> Grants);

/// <summary>What the recorded silo had acknowledged.</summary>
/// <param name="RecordedAt">The time on the clock of Redis when the silo was killed.</param>
/// <param name="Users">The users.</param>
/// <param name="Clients">The clients.</param>
public sealed record Ledger(DateTimeOffset RecordedAt, IReadOnlyList<RecordedUser> Users, IReadOnlyList<RecordedClient> Clients)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>A user as the column <c>state</c> has it (docs/schema.md), without request ids, and with tags in order.</summary>
    public static JsonNode? StateOf(User? user) => user is null ? null : JsonSerializer.SerializeToNode(
        new
        {
            user.DisplayName,
            user.Email,
            Attributes = user.Attributes.Count > 0 ? user.Attributes : null,
            Counters = user.Counters.Count > 0 ? user.Counters : null,
            Tags = user.Tags.Count > 0 ? user.Tags.Order(StringComparer.Ordinal) : null,
            CreatedAt = user.CreatedAt.ToUnixTimeMilliseconds(),
            UpdatedAt = user.UpdatedAt.ToUnixTimeMilliseconds(),
        },
        Json);

    public static async Task<Ledger> ReadAsync(string file)
    {
        await using var content = new GZipStream(File.OpenRead(file), CompressionMode.Decompress);
        return (await JsonSerializer.DeserializeAsync<Ledger>(content, Json))!;
    }

    internal async Task WriteAsync(string file)
    {
        await using var content = new GZipStream(File.Create(file), CompressionLevel.SmallestSize);
        await JsonSerializer.SerializeAsync(content, this, Json);
    }
}
