namespace Actors.Embedded;

/// <summary>The external services that a silo can embed.</summary>
[Flags]
public enum EmbeddedParts
{
    /// <summary>None: the silo uses external servers.</summary>
    None = 0,

    /// <summary>Redis, as Garnet in the process.</summary>
    Redis = 1,

    /// <summary>The database, as SQLite in a file.</summary>
    Database = 2,

    /// <summary>Both.</summary>
    All = Redis | Database,
}
