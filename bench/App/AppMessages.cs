using System.Text.Json.Serialization;

namespace Actors.Bench.App;

/// <summary>A command to a process of a case: one JSON object per line of its input.</summary>
/// <param name="Verb">What to do.</param>
/// <param name="Work">The work, as named in <see cref="AppWorks"/>.</param>
/// <param name="Callers">Concurrent callers of a turn.</param>
/// <param name="Duration">The duration of a turn.</param>
internal sealed record AppCommand(AppVerb Verb, string Work = "", int Callers = 0, TimeSpan Duration = default);

/// <summary>The kinds of commands.</summary>
internal enum AppVerb
{
    Prepare,
    Run,
    Verify,

    /// <summary>Tells the bytes allocated so far.</summary>
    Bytes,

    /// <summary>Tells the bytes in use after a collection.</summary>
    Heap,
}

/// <summary>The answer, one JSON object per line of the output; the first one, without content, tells that the process is ready.</summary>
/// <param name="Turn">The measured turn.</param>
/// <param name="Bytes">The bytes allocated so far, or in use.</param>
/// <param name="Error">Why the command failed.</param>
internal sealed record AppReply(AppTurn? Turn = null, long Bytes = 0, string? Error = null);

/// <summary>Generated serialization of commands and answers.</summary>
[JsonSerializable(typeof(AppCommand))]
[JsonSerializable(typeof(AppReply))]
internal sealed partial class AppJson : JsonSerializerContext;
