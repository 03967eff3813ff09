using System.Text.Json;
using System.Text.Json.Serialization;

namespace Actors.Cli.Export;

/// <summary>
/// A user as stored in the database (docs/schema.md), without version and times, which import cannot restore.
/// </summary>
internal sealed record ExportedUser
{
    private static readonly JsonSerializerOptions Stored = new(JsonSerializerDefaults.Web) { RespectNullableAnnotations = true };

    [JsonIgnore]
    public string Id { get; init; } = "";

    public string? DisplayName { get; init; }

    public string? Email { get; init; }

    public Dictionary<string, string> Attributes { get; init; } = [];

    public Dictionary<string, long> Counters { get; init; } = [];

    public List<string> Tags { get; init; } = [];

    public bool Deleted { get; init; }

    /// <exception cref="FormatException">The state is not a valid user.</exception>
    public static ExportedUser Of(string id, ReadOnlyMemory<byte> state)
    {
        try
        {
            var user = JsonSerializer.Deserialize<ExportedUser>(state.Span, Stored);
            if (user is null || user.Attributes.ContainsValue(null!) || user.Tags.Contains(null!))
                throw new FormatException("the state contains a null");
            return user with { Id = id };
        }
        catch (JsonException e)
        {
            throw new FormatException($"the state is not valid JSON of a user: {e.Message}", e);
        }
    }
}
