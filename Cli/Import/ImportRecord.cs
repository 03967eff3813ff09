using System.Diagnostics.CodeAnalysis;

namespace Actors.Cli.Import;

/// <summary>One user to import: the change to write, or its fault.</summary>
internal sealed class ImportRecord
{
    private ImportRecord(long line, string? id, UserPatch? patch, string? fault)
    {
        Line = line;
        Id = id;
        Patch = patch;
        Fault = fault;
    }

    /// <summary>The line the record starts on; the first is 1.</summary>
    public long Line { get; }

    public string? Id { get; }

    public UserPatch? Patch { get; }

    /// <summary>The fault of the record, or null.</summary>
    public string? Fault { get; }

    [MemberNotNullWhen(true, nameof(Id), nameof(Patch))]
    [MemberNotNullWhen(false, nameof(Fault))]
    public bool IsGood => Fault is null;

    public static ImportRecord Good(long line, string id, UserPatch patch) => new(line, id, patch, null);

    public static ImportRecord Bad(long line, string fault) => new(line, null, null, fault);
}
