namespace Actors.Cli.Import;

/// <summary>A record cannot be imported; the message says why. Caught where the record is read, and reported with its line.</summary>
internal sealed class BadRecordException(string message) : Exception(message);
