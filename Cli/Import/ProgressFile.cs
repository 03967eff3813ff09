using System.Text.Json;
using System.Text.Json.Serialization;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Import;

/// <summary>The content of a progress file.</summary>
/// <param name="Fingerprint">The fingerprint of the imported file.</param>
/// <param name="Line">Every record up to this line is done.</param>
/// <param name="Imported">The number of imported records.</param>
/// <param name="Skipped">The number of bad records.</param>
/// <param name="Complete">True if the whole file is done.</param>
internal sealed record ImportState(string Fingerprint, long Line, long Imported, long Skipped, bool Complete)
{
    [JsonIgnore]
    public DoneThrough Done => new(Line, Imported, Skipped);
}

/// <summary>The file FILE.progress, from which an interrupted import resumes.</summary>
internal sealed class ProgressFile(string file)
{
    public const string Extension = ".progress";

    public string Path { get; } = file + Extension;

    /// <summary>The saved progress for this content of the file; null if there is none.</summary>
    /// <exception cref="UsageException">The progress file is for different content, or is not a progress file.</exception>
    public ImportState? Read(string fingerprint)
    {
        if (!File.Exists(Path))
            return null;
        ImportState? state;
        try
        {
            state = JsonSerializer.Deserialize<ImportState>(File.ReadAllBytes(Path), Json.Line);
        }
        catch (JsonException)
        {
            state = null;
        }
        if (state is not { Fingerprint: not null, Line: >= 0, Imported: >= 0, Skipped: >= 0 })
            throw new UsageException($"{Path} is not the progress of an import; use --restart to start from the first line");
        if (state.Fingerprint != fingerprint)
        {
            throw new UsageException($"{file} was changed after its line {state.Line} was imported ({Path}); " +
                "use --restart to start from the first line");
        }
        return state;
    }

    /// <summary>Replaces the file atomically, so that a crash leaves the old or the new one.</summary>
    public void Write(ImportState state)
    {
        var next = Path + ".tmp";
        using (var stream = new FileStream(next, FileMode.Create, FileAccess.Write))
        {
            JsonSerializer.Serialize(stream, state, Json.Line);
            stream.Flush(flushToDisk: true);
        }
        File.Move(next, Path, overwrite: true);
    }
}
