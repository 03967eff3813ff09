using System.Collections.Concurrent;

namespace Actors.Core;

/// <summary>
/// The background loops of this silo that currently fail, for its health. Any thread may read. Each loop writes its own entry.
/// </summary>
public sealed class BackgroundLoops
{
    // At most one entry per loop of the silo.
    private readonly ConcurrentDictionary<BackgroundLoop, FailingLoop> _failing = new();

    /// <summary>The loops whose last pass failed, by name. Empty if all loops work.</summary>
    public IReadOnlyList<FailingLoop> Failing => [.. _failing.Values.OrderBy(loop => loop.Name, StringComparer.Ordinal)];

    internal void Failed(BackgroundLoop loop, FailingLoop state) => _failing[loop] = state;

    internal void Recovered(BackgroundLoop loop) => _failing.TryRemove(loop, out _);
}

/// <summary>A background loop that currently fails. It retries after a pause.</summary>
/// <param name="Name">The name of the loop.</param>
/// <param name="Since">When it started to fail.</param>
/// <param name="Failures">The number of failures since then.</param>
/// <param name="Error">The message of the latest failure.</param>
public sealed record FailingLoop(string Name, DateTimeOffset Since, long Failures, string Error);
