using System.Globalization;

namespace Actors.Harness.Limits;

/// <summary>The fullest window of one kind over all clients, by both clocks.</summary>
public sealed record WindowReport(LimitWindow Window, FullestWindow ByServer, FullestWindow ByCaller)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Window}: fullest {ByServer.Permits} by server time, {ByCaller.Permits} by the callers' clocks");
}

/// <summary>The granted share of an interval: of all clients together, and the lowest of a client.</summary>
public sealed record ShareReport(Steady Steady, double All, double Least, string Client)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Steady.Name} ({Steady.Seconds:0.0} s): {All:0.00 %} of the allowance, {Least:0.00 %} for {Client}");
}

/// <summary>
/// The result of a check of grants. <c>OutsideOfCallMs</c> is how far the clocks of Redis and the caller must have shifted for
/// each grant to lie within its call. It explains the other figures: a small value is drift, a large one is an invented time.
/// </summary>
public sealed record LimitReport(
    long Grants, long Permits, int Clients, IReadOnlyDictionary<string, long> Sources, IReadOnlyList<WindowReport> Windows,
    IReadOnlyList<ShareReport> Shares, double OutsideOfCallMs, IReadOnlyList<string> Findings) : Verdict(Findings)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Grants:#,0} grants of {Permits:#,0} permits to {Clients} clients ({string.Join(", ", Sources.Select(each => $"{each.Key} {each.Value:#,0}"))}); ")
        + string.Join("; ", [.. Windows.Select(each => each.ToString()), .. Shares.Select(each => each.ToString())])
        + string.Create(CultureInfo.InvariantCulture, $"; decisions outside of their call by up to {OutsideOfCallMs:0.0} ms")
        + (IsClean ? "; no window over its limit" : $"; WRONG:\n{string.Join('\n', Findings)}");
}
