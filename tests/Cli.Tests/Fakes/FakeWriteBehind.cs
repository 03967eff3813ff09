namespace Actors.Cli.Tests.Fakes;

/// <summary>Parked rows in memory, some of which are rejected again.</summary>
internal sealed class FakeWriteBehind : IWriteBehindGrain
{
    public SortedDictionary<string, ParkedRow> Rows { get; } = new(StringComparer.Ordinal);

    /// <summary>The keys that are rejected again.</summary>
    public HashSet<string> StillBad { get; } = [];

    /// <summary>Called before each call; may throw.</summary>
    public Action Before { get; set; } = () => { };

    public void Park(string key, string reason = "violates check constraint \"adult\" (23514)") => Rows[key] = new()
    {
        Key = key,
        Version = 1234,
        Reason = reason,
        ParkedAt = new(2025, 1, 2, 3, 4, 5, TimeSpan.Zero),
        Bytes = 17,
        State = "{\"poison\":true}",
    };

    public async Task<ParkedPage> GetParkedAsync(int max = 100, string? after = null, CancellationToken cancellationToken = default)
    {
        await Pause.ShortlyAsync();
        Before();
        var rows = Rows.Values.Where(row => string.CompareOrdinal(row.Key, after) > 0).Take(max).ToArray();
        return new() { Rows = rows, Total = Rows.Count, Next = rows.Length == max ? rows[^1].Key : null };
    }

    public async Task<ReplayResult> ReplayAsync(string[]? keys = null, CancellationToken cancellationToken = default)
    {
        await Pause.ShortlyAsync();
        Before();
        keys ??= [.. Rows.Keys];
        var bad = keys.Where(key => Rows.ContainsKey(key) && StillBad.Contains(key)).ToArray();
        var committed = keys.Count(key => !StillBad.Contains(key) && Rows.Remove(key));
        return new()
        {
            Committed = committed,
            Refused = bad.Length,
            Missing = keys.Length - committed - bad.Length,
            Refusals = [.. bad.Select(key => new RefusedReplay { Key = key, Reason = "still bad" })],
        };
    }
}
