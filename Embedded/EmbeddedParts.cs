namespace Actors.Embedded;

/// <summary>The parts of the outside world that a silo may bring along.</summary>
[Flags]
public enum EmbeddedParts
{
    /// <summary>None: the silo uses servers of the operator's.</summary>
    None = 0,

    /// <summary>Redis, by Garnet in the process.</summary>
    Redis = 1,

    /// <summary>The database, by SQLite in a file.</summary>
    Database = 2,

    /// <summary>Both.</summary>
    All = Redis | Database,
}
