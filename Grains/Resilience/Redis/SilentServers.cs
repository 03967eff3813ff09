using System.Net;

namespace Actors.Resilience;

/// <summary>
/// Tells servers that do not answer from one answer that was late: of that the driver cannot be said to have a broken
/// connection. For one loop.
/// </summary>
internal sealed class SilentServers
{
    // In a row: two looks in time, or eight that this process was late with itself. Those put it off and not away.
    private const int Enough = 8;
    private const int InTime = 4;
    private const int Late = 1;

    private Dictionary<EndPoint, int> _silent = [];

    /// <summary>Takes note of all servers that did not answer; returns those that have not for long enough.</summary>
    public IReadOnlyList<EndPoint> Look(IReadOnlyList<EndPoint> silent, bool isLate)
    {
        _silent = silent.ToDictionary(server => server, server => Math.Min(_silent.GetValueOrDefault(server) + (isLate ? Late : InTime), Enough));
        return [.. silent.Where(server => _silent[server] >= Enough)];
    }
}
