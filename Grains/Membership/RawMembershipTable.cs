using StackExchange.Redis;

namespace Actors.Membership;

/// <summary>Orleans' membership table as the hash it is, without asking Orleans. Every call has a time limit.</summary>
internal sealed class RawMembershipTable(MembershipConnection connection, RedisKey key)
{
    // Of the primary only: a replica may be behind, and look like a table that was lost.
    private const CommandFlags Primary = CommandFlags.DemandMaster;

    /// <summary>Another after each new connection, which may lead to a server whose table has a history of its own.</summary>
    public long Reconnects => connection.Reconnects;

    /// <summary>To be told of calls that failed: a server that is a replica is left at once.</summary>
    public void Suspect(Exception error) => connection.Suspect(error);

    /// <summary>Version and row of <paramref name="silo"/>: the cheapest look at whether the table is what it should be.</summary>
    public async Task<(int? Version, RedisValue Row)> LookAsync(string silo, CancellationToken cancellationToken)
    {
        RedisValue[] fields = [MembershipCopy.VersionField, silo];
        var found = await CallAsync(redis => redis.HashGetAsync(key, fields, Primary), cancellationToken);
        return (MembershipCopy.VersionOf(found[0]), found[1]);
    }

    /// <summary>All of it; null where there is no table.</summary>
    public async Task<MembershipCopy?> ReadAsync(CancellationToken cancellationToken) =>
        MembershipCopy.From(await CallAsync(redis => redis.HashGetAllAsync(key, Primary), cancellationToken));

    /// <summary>Puts what <paramref name="copy"/> has and the table lacks into it, atomically; returns what the table then has.</summary>
    public async Task<(bool WasLost, int Rows, MembershipCopy Merged)> MergeAsync(MembershipCopy copy, CancellationToken cancellationToken)
    {
        RedisValue[] arguments =
            [copy.Version, MembershipCopy.Leap, .. copy.Rows.SelectMany(row => (RedisValue[])[row.Name, row.Value])];

        // By its text: a server that came back knows no scripts.
        var result = (RedisResult[])(await CallAsync(
            redis => redis.ScriptEvaluateAsync(MembershipScripts.Merge, [key], arguments, Primary | CommandFlags.NoScriptCache),
            cancellationToken))!;
        var fields = (RedisValue[])result[2]!;
        var merged = MembershipCopy.From([.. fields.Chunk(2).Select(field => new HashEntry(field[0], field[1]))])!;
        return ((int)result[0] == 1, (int)result[1], merged);
    }

    private async Task<T> CallAsync<T>(Func<IDatabase, Task<T>> call, CancellationToken cancellationToken)
    {
        var redis = await connection.OpenAsync().WaitAsync(MembershipConnection.CallLimit, cancellationToken);
        try
        {
            return await call(redis.GetDatabase()).WaitAsync(MembershipConnection.CallLimit, cancellationToken);
        }
        catch (RedisServerException error)
        {
            connection.Suspect(error);
            throw;
        }
    }
}
