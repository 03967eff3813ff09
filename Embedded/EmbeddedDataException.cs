namespace Actors.Embedded;

/// <summary>
/// The data directory cannot be used in its current state. The message names the file, the problem and what to do, in one line.
/// </summary>
public sealed class EmbeddedDataException : Exception
{
    internal EmbeddedDataException(string message, bool isDamage, Exception? inner = null)
        : base(message.ReplaceLineEndings(" "), inner) => IsDamage = isDamage;

    /// <summary>True if data is lost or changed; false if it is only inaccessible, for example because a right is missing.</summary>
    public bool IsDamage { get; }
}
