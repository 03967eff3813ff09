namespace Actors.Cli.Import;

/// <summary>
/// A record that cannot be imported, with the reason. Caught by the reader and reported with the record's line.
/// </summary>
internal sealed class BadRecordException(string message) : Exception(message);
