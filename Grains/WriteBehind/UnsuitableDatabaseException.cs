namespace Actors.WriteBehind;

/// <summary>
/// The database is reachable but cannot serve this cluster: its encoding is not UTF8, or its tables belong to another service.
/// The message is one line for an operator.
/// </summary>
public sealed class UnsuitableDatabaseException(string message) : Exception(message);
