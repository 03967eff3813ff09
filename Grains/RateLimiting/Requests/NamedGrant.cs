using System.Globalization;

namespace Actors.RateLimiting;

/// <summary>
/// A remembered grant to a request with an id. Stored as <c>PERMITS:POLICY:ID</c>; policy names contain no colon.
/// </summary>
/// <param name="Policy">The policy it was charged to.</param>
/// <param name="Permits">The granted permits.</param>
/// <param name="At">The time of the grant on the Redis clock, in microseconds.</param>
internal readonly record struct NamedGrant(string Policy, int Permits, long At)
{
    public static string Format(string policy, int permits, string requestId) =>
        string.Create(CultureInfo.InvariantCulture, $"{permits}:{policy}:{requestId}");

    public static (string RequestId, NamedGrant Grant) Parse(string text, long at)
    {
        var parts = text.Split(':', 3);
        return (parts[2], new(parts[1], int.Parse(parts[0], CultureInfo.InvariantCulture), at));
    }
}
