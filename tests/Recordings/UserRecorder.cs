using System.Collections.Concurrent;

namespace Actors.Recordings;

/// <summary>Writes users of every kind that a journal can hold, and notes what was acknowledged.</summary>
/// <param name="actors">The cluster.</param>
internal sealed class UserRecorder(ActorsClient actors)
{
    /// <summary>The display name that the table refuses.</summary>
    public const string RefusedName = "refused";

    private const int AtOnce = 32;

    // Versions of two digits in any base.
    private const int ManyWrites = 40;

    private static readonly string[] OddIds =
        ["a b", "{0}", "{1}:rows", "é👋", "quote\"'", "back\\slash", "line\nend", "\u0001\u001b[31m", "*", "\ufeffx"];

    // By user id; a later note replaces an earlier one. Written by parallel calls, each for another user.
    private readonly ConcurrentDictionary<string, RecordedUser> _users = new(StringComparer.Ordinal);

    public IReadOnlyList<RecordedUser> Users => [.. _users.Values.OrderBy(user => user.Id, StringComparer.Ordinal)];

    /// <summary>Users whose latest state is in the table.</summary>
    public Task WriteFlushedAsync(string prefix, int count) => ForEachAsync(prefix, count, async (id, i) =>
    {
        var receipt = await WriteAsync(id, 1 + (i % 3), i);
        await actors.User(id).FlushAsync();
        await NoteAsync(id, receipt, Place.Table);
    });

    /// <summary>Users that the table refuses.</summary>
    public Task WriteParkedAsync(string prefix, int count) => ForEachAsync(prefix, count, async (id, i) =>
    {
        if (i % 3 > 0) await WriteAsync(id, i % 3, i);
        var receipt = await UpdateAsync(id, new UserPatch { DisplayName = RefusedName, AddTags = ["parked"] });
        try
        {
            await actors.User(id).FlushAsync();
        }
        catch (WriteParkedException)
        {
            await NoteAsync(id, receipt, Place.Parked);
            return;
        }

        throw new InvalidOperationException($"{id} was not parked.");
    });

    /// <summary>Users whose latest state is in the journal only. A read before the writes caches those that are in the table.</summary>
    public Task WriteJournaledAsync(string prefix, int count, Place place = Place.Journal) => ForEachAsync(prefix, count, async (id, i) =>
    {
        await actors.User(id).GetAsync();
        await NoteAsync(id, await WriteAsync(id, i % 50 == 0 ? ManyWrites : 1 + (i % 5), i), place);
    });

    /// <summary>Users that the table refused, with a later state in the journal that it takes.</summary>
    public Task WriteCorrectedAsync(string prefix, int count) => ForEachAsync(
        prefix, count, async (id, _) => await NoteAsync(id, await UpdateAsync(id, new UserPatch { DisplayName = "corrected" }), Place.Journal));

    /// <summary>The same with ids that are easily mistaken for something else.</summary>
    public Task WriteOddAsync() => ForEachAsync("", OddIds.Length, async (_, i) =>
    {
        var id = OddIds[i];
        var patch = new UserPatch { DisplayName = id, Attributes = new() { [id] = id }, Increment = new() { [id] = long.MaxValue }, AddTags = [id] };
        await NoteAsync(id, await UpdateAsync(id, patch), Place.Journal);
    });

    /// <summary>Users that were deleted, some of which were created again.</summary>
    public Task WriteDeletedAsync(string prefix, int count) => ForEachAsync(prefix, count, async (id, i) =>
    {
        await WriteAsync(id, 1 + (i % 2), i);
        var receipt = await actors.User(id).DeleteAsync();
        if (i % 4 == 0) receipt = await WriteAsync(id, 1, i);
        await NoteAsync(id, receipt, Place.Journal);
    });

    /// <summary>Users whose writes have request ids, also a delete.</summary>
    public Task WriteNamedAsync(string prefix, int count) => ForEachAsync(prefix, count, async (id, i) =>
    {
        var requests = new Dictionary<string, long>();
        WriteReceipt receipt;
        for (var request = 0; ; request++)
        {
            var options = new WriteOptions { RequestId = $"{id}/{request}" };
            receipt = i % 10 == 0 && request == 2 ? await actors.User(id).DeleteAsync(options) : await UpdateAsync(id, Patch(i + request), options);
            requests[options.RequestId] = receipt.Version;
            if (request == 2 + (i % 6)) break;
        }

        await NoteAsync(id, receipt, Place.Journal, requests);
    });

    private static Task ForEachAsync(string prefix, int count, Func<string, int, Task> write) => Parallel.ForEachAsync(
        Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (i, _) => await write($"{prefix}-{i:000}", i));

    private async Task<WriteReceipt> WriteAsync(string id, int writes, int seed)
    {
        var receipt = await UpdateAsync(id, Patch(seed));
        for (var i = 1; i < writes; i++) receipt = await UpdateAsync(id, Patch(seed + i));
        return receipt;
    }

    private async Task<WriteReceipt> UpdateAsync(string id, UserPatch patch, WriteOptions? options = null)
    {
        var receipt = await actors.User(id).UpdateAsync(patch, options);
        return receipt.Durability == Durability.Journal ? receipt : throw new InvalidOperationException($"{id} was not journaled: {receipt}");
    }

    private async Task NoteAsync(string id, WriteReceipt receipt, Place place, IReadOnlyDictionary<string, long>? requests = null)
    {
        var user = await actors.User(id).GetAsync();
        if (user is not null && user.Version != receipt.Version) throw new InvalidOperationException($"{id} has version {user.Version}: {receipt}");
        _users[id] = new(id, receipt.Version, Ledger.StateOf(user), place, requests ?? new Dictionary<string, long>());
    }

    private static UserPatch Patch(int seed) => new()
    {
        DisplayName = seed % 7 == 0 ? null : $"User {seed}",
        Email = seed % 3 == 0 ? $"user{seed}@example.org" : null,
        Attributes = seed % 2 == 0 ? new() { ["plan"] = seed % 4 == 0 ? "pro" : "free", [$"key {seed % 5}"] = $"ä {seed}" } : null,
        Increment = new() { ["writes"] = 1, ["points"] = seed - 50 },
        AddTags = seed % 5 == 0 ? ["new", $"tag {seed % 9}"] : null,
        RemoveTags = seed % 11 == 0 ? ["new"] : null,
    };
}
