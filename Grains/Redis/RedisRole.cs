namespace Actors.Redis;

/// <summary>The uses of Redis. Each role may have a separate Redis: <c>ConnectionStrings:redis-&lt;role&gt;</c>.</summary>
public enum RedisRole
{
    /// <summary>Acknowledged writes that are not yet in the database. Must never evict.</summary>
    Journal,

    /// <summary>Copies of rows in the database. May evict.</summary>
    Cache,

    /// <summary>
    /// Grants and individual policies of clients. Should not evict: a client whose log is evicted and not in memory gets a new
    /// budget.
    /// </summary>
    Limits,
}
