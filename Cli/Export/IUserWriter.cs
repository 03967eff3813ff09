using System.Buffers;

namespace Actors.Cli.Export;

/// <summary>Writes users in one format.</summary>
internal interface IUserWriter
{
    /// <summary>True if it must scan all users before it writes the first.</summary>
    bool NeedsSurvey { get; }

    /// <summary>Scans a user that will be written.</summary>
    void Survey(ExportedUser user);

    /// <summary>Writes the header, before the first user.</summary>
    void Begin(IBufferWriter<byte> output);

    void Write(ExportedUser user, IBufferWriter<byte> output);
}
