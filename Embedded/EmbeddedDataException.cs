namespace Actors.Embedded;

/// <summary>
/// The data directory cannot be used as it is: the message names the file, what is wrong with it, and what to do. One line.
/// </summary>
public sealed class EmbeddedDataException : Exception
{
    internal EmbeddedDataException(string message, bool isDamage, Exception? inner = null)
        : base(message.ReplaceLineEndings(" "), inner) => IsDamage = isDamage;

    /// <summary>True if data are lost or changed; false if they are merely out of reach, e.g. for want of a right.</summary>
    public bool IsDamage { get; }
}
