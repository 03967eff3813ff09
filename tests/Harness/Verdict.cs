namespace Actors.Harness;

/// <summary>The findings of a check, if any.</summary>
public abstract record Verdict(IReadOnlyList<string> Findings)
{
    /// <summary>True without findings.</summary>
    public bool IsClean => Findings.Count == 0;

    /// <summary>This verdict with additional findings.</summary>
    public Verdict With(IEnumerable<string> findings) => this with { Findings = [.. Findings, .. findings] };
}
