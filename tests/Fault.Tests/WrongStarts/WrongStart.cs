namespace Actors.Fault.Tests.WrongStarts;

/// <summary>A failing start.</summary>
/// <param name="ExitCode">The exit code: 2 for a wrong configuration, 4 for an unusable dependency.</param>
/// <param name="Key">The setting that the error names.</param>
/// <param name="Says">A part of the error: the cause or the fix.</param>
/// <param name="Arguments">The command line.</param>
internal sealed record WrongStart(int ExitCode, string Key, string Says, params string[] Arguments)
{
    /// <summary>A part of a password, which must not appear in the output.</summary>
    public string? Secret { get; init; }

    /// <summary>The content of appsettings.json, if any.</summary>
    public string? File { get; init; }

    /// <summary>Additional environment variables.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>A command that runs the silo, e.g. as another user.</summary>
    public string[] Through { get; init; } = [];

    public override string ToString() => string.Join(' ', Through.Concat(Arguments)) + (File is null ? "" : $" with the file {File}");
}
