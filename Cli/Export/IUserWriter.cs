using System.Buffers;

namespace Actors.Cli.Export;

/// <summary>How users are written in one format.</summary>
internal interface IUserWriter
{
    /// <summary>True if it has to see all users before it can write the first.</summary>
    bool NeedsSurvey { get; }

    /// <summary>Looks at a user that will be written.</summary>
    void Survey(ExportedUser user);

    /// <summary>Writes the beginning, before the first user.</summary>
    void Begin(IBufferWriter<byte> output);

    void Write(ExportedUser user, IBufferWriter<byte> output);
}
