namespace Actors.Redis;

/// <summary>What Redis is used for. Each role may have a Redis of its own: <c>ConnectionStrings:redis-&lt;role&gt;</c>.</summary>
public enum RedisRole
{
    /// <summary>What is acknowledged and not yet in the database. Must never evict.</summary>
    Journal,

    /// <summary>Copies of what the database holds. May evict.</summary>
    Cache,

    /// <summary>What clients were granted, and their own policies. Should not evict: a client whose log is gone and who is on no silo has a new budget.</summary>
    Limits,
}
