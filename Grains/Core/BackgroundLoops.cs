using System.Collections.Concurrent;

namespace Actors.Core;

/// <summary>The background loops of this silo that fail at present, for its health. Any thread reads it, and each loop writes its own entry.</summary>
public sealed class BackgroundLoops
{
    // At most one entry per loop of the silo.
    private readonly ConcurrentDictionary<BackgroundLoop, FailingLoop> _failing = new();

    /// <summary>The loops whose last pass failed, by name; empty in ordinary times.</summary>
    public IReadOnlyList<FailingLoop> Failing => [.. _failing.Values.OrderBy(loop => loop.Name, StringComparer.Ordinal)];

    internal void Failed(BackgroundLoop loop, FailingLoop state) => _failing[loop] = state;

    internal void Recovered(BackgroundLoop loop) => _failing.TryRemove(loop, out _);
}

/// <summary>A background loop that fails at present. It is run again after a pause.</summary>
/// <param name="Name">What the loop does.</param>
/// <param name="Since">When it began to fail.</param>
/// <param name="Failures">How often it has failed since then.</param>
/// <param name="Error">Why, the last time.</param>
public sealed record FailingLoop(string Name, DateTimeOffset Since, long Failures, string Error);
