namespace Actors.Harness;

/// <summary>What was found wrong, if anything.</summary>
public abstract record Verdict(IReadOnlyList<string> Findings)
{
    /// <summary>True where nothing was.</summary>
    public bool IsClean => Findings.Count == 0;

    /// <summary>The same, and what else was found.</summary>
    public Verdict With(IEnumerable<string> findings) => this with { Findings = [.. Findings, .. findings] };
}
