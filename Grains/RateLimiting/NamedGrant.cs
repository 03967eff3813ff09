using System.Globalization;

namespace Actors.RateLimiting;

/// <summary>What is remembered of a grant to a request with an id. Stored as <c>PERMITS:POLICY:ID</c>; a policy's name holds no colon.</summary>
/// <param name="Policy">The policy it was charged to.</param>
/// <param name="Permits">What was granted.</param>
/// <param name="At">When, by the clock of Redis in microseconds.</param>
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
