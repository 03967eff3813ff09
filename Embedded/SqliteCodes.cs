namespace Actors.Embedded;

/// <summary>SQLite's primary result codes, as in sqlite3.h.</summary>
internal static class SqliteCodes
{
    public const int Error = 1;
    public const int Internal = 2;
    public const int Perm = 3;
    public const int Busy = 5;
    public const int Locked = 6;
    public const int NoMemory = 7;
    public const int ReadOnly = 8;
    public const int Interrupt = 9;
    public const int InputOutput = 10;
    public const int Corrupt = 11;
    public const int Full = 13;
    public const int CannotOpen = 14;
    public const int Protocol = 15;
    public const int Schema = 17;
    public const int TooBig = 18;
    public const int Constraint = 19;
    public const int Mismatch = 20;
    public const int Misuse = 21;
    public const int NoLargeFiles = 22;
    public const int Denied = 23;
    public const int NotADatabase = 26;
}
