namespace Actors.Fault.Tests.WrongStarts;

/// <summary>A start that something is wrong with.</summary>
/// <param name="ExitCode">How it ends: 2 for a wrong configuration, 4 for something that cannot be used.</param>
/// <param name="Key">The setting that the error names.</param>
/// <param name="Says">A part of the error: what is wrong, or what to do.</param>
/// <param name="Arguments">The command line.</param>
internal sealed record WrongStart(int ExitCode, string Key, string Says, params string[] Arguments)
{
    /// <summary>A part of a password, which is said nowhere.</summary>
    public string? Secret { get; init; }

    /// <summary>The content of appsettings.json, if there is one.</summary>
    public string? File { get; init; }

    /// <summary>What is in the environment besides.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>A command that runs the silo, e.g. as another user.</summary>
    public string[] Through { get; init; } = [];

    public override string ToString() => string.Join(' ', Through.Concat(Arguments)) + (File is null ? "" : $" with the file {File}");
}
