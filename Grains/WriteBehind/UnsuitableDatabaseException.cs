namespace Actors.WriteBehind;

/// <summary>
/// The database works, but must not serve this cluster as it is: it is of another encoding than UTF8, or its tables are
/// another service's. The message is for an operator, in one line.
/// </summary>
public sealed class UnsuitableDatabaseException(string message) : Exception(message);
