using System.Text.Json;
using System.Text.Json.Serialization;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Import;

/// <summary>What a progress file holds.</summary>
/// <param name="Fingerprint">Of the content of the file that is imported.</param>
/// <param name="Line">Every record up to this line is done.</param>
/// <param name="Imported">How many of them were imported.</param>
/// <param name="Skipped">How many of them were bad.</param>
/// <param name="Complete">True where the whole file is done.</param>
internal sealed record ImportState(string Fingerprint, long Line, long Imported, long Skipped, bool Complete)
{
    [JsonIgnore]
    public DoneThrough Done => new(Line, Imported, Skipped);
}

/// <summary>The side file FILE.progress, from which an interrupted import goes on.</summary>
internal sealed class ProgressFile(string file)
{
    public const string Extension = ".progress";

    public string Path { get; } = file + Extension;

    /// <summary>What was saved for this content of the file, or null where nothing was.</summary>
    /// <exception cref="UsageException">The progress file is of another content, or none at all.</exception>
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
            throw new UsageException($"{Path} is not the progress of an import; --restart begins from the first line");
        if (state.Fingerprint != fingerprint)
        {
            throw new UsageException($"{file} was changed after line {state.Line} of it had been imported ({Path}); " +
                "--restart imports it from the first line");
        }
        return state;
    }

    /// <summary>Replaces the file as a whole, so that a crash leaves either the old or the new one.</summary>
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
