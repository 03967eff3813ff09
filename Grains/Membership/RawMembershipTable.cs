using StackExchange.Redis;

namespace Actors.Membership;

/// <summary>Direct access to the hash of Orleans' membership table, bypassing Orleans. Every call has a time limit.</summary>
internal sealed class RawMembershipTable(MembershipConnection connection, RedisKey key)
{
    // Reads only the primary: a replica may be behind and look like a lost table.
    private const CommandFlags Primary = CommandFlags.DemandMaster;

    /// <summary>Changes with each new connection, which may lead to a server whose table has another history.</summary>
    public long Reconnects => connection.Reconnects;

    /// <summary>Reports a failed call. If the server turned out to be a replica, the connection leaves it at once.</summary>
    public void Suspect(Exception error) => connection.Suspect(error);

    /// <summary>The version and the row of <paramref name="silo"/>: the cheapest check of the table.</summary>
    public async Task<(int? Version, RedisValue Row)> LookAsync(string silo, CancellationToken cancellationToken)
    {
        RedisValue[] fields = [MembershipCopy.VersionField, silo];
        var found = await CallAsync(redis => redis.HashGetAsync(key, fields, Primary), cancellationToken);
        return (MembershipCopy.VersionOf(found[0]), found[1]);
    }

    /// <summary>The complete table; null if there is none.</summary>
    public async Task<MembershipCopy?> ReadAsync(CancellationToken cancellationToken) =>
        MembershipCopy.From(await CallAsync(redis => redis.HashGetAllAsync(key, Primary), cancellationToken));

    /// <summary>Adds atomically what <paramref name="copy"/> has and the table lacks. Returns the resulting table.</summary>
    public async Task<(bool WasLost, int Rows, MembershipCopy Merged)> MergeAsync(MembershipCopy copy, CancellationToken cancellationToken)
    {
        RedisValue[] arguments =
            [copy.Version, MembershipCopy.Leap, .. copy.Rows.SelectMany(row => (RedisValue[])[row.Name, row.Value])];

        // Sends the text of the script, because a restarted server has no cached scripts.
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
