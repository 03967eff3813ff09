using System.Collections.Concurrent;
using Orleans.Concurrency;

namespace Actors.Client.Tests.Repetition;

/// <summary>Replaces the user grain on a test silo and records the calls that arrive.</summary>
[Reentrant]
[GrainType("user")]
internal sealed class CountingUser : Grain, IUserGrain
{
    // By user. Grain turns of any user add, tests read; each queue is thread-safe.
    private static readonly ConcurrentDictionary<string, ConcurrentQueue<string>> Arrived = new();

    /// <summary>The calls that arrived for a user, e.g. "Update id-1".</summary>
    public static IReadOnlyList<string> CallsOf(string id) => [.. Arrived.GetValueOrDefault(id) ?? []];

    public Task<User?> GetAsync(CancellationToken cancellationToken)
    {
        Note("Get");
        return Task.FromResult<User?>(null);
    }

    public Task<WriteReceipt> UpdateAsync(UserPatch patch, WriteOptions? options, CancellationToken cancellationToken) =>
        WriteAsync("Update", patch.Email == "taken" ? throw new VersionConflictException(this.GetPrimaryKeyString(), 1, 2) : options);

    public Task<WriteReceipt> DeleteAsync(WriteOptions? options, CancellationToken cancellationToken) => WriteAsync("Delete", options);

    public Task FlushAsync(CancellationToken cancellationToken)
    {
        Note("Flush");
        return Task.CompletedTask;
    }

    public Task WaitForAsync(long version, Durability durability, CancellationToken cancellationToken)
    {
        Note("WaitFor");
        return Task.CompletedTask;
    }

    private Task<WriteReceipt> WriteAsync(string method, WriteOptions? options)
    {
        Note($"{method} {options?.RequestId}");
        return Task.FromResult(new WriteReceipt { Version = CallsOf(this.GetPrimaryKeyString()).Count, Durability = Durability.Journal });
    }

    private void Note(string call) => Arrived.GetOrAdd(this.GetPrimaryKeyString(), _ => new()).Enqueue(call);
}
