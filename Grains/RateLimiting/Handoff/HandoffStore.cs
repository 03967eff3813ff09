using Microsoft.Extensions.Logging;

namespace Actors.RateLimiting;

/// <summary>
/// Keeps the handoffs of activations that ended on this silo until another activation has taken them. An activation that starts
/// on this silo finds its handoff here; to any other silo it is delivered. A handoff counts against the memory ceiling and
/// expires with its grants. Thread-safe.
/// </summary>
/// <param name="grains">Resolves the next activations.</param>
/// <param name="counters">Count the memory of the handoffs.</param>
/// <param name="logs">Signals that the silo stops.</param>
/// <param name="otherSilos">Lists the other active silos.</param>
/// <param name="time">Times the deliveries.</param>
/// <param name="logger">Logs lost and delayed handoffs.</param>
internal sealed partial class HandoffStore(
    IGrainFactory grains, LimiterCounters counters, RedisGrantLogStore logs, Func<IReadOnlyList<SiloAddress>> otherSilos, TimeProvider time,
    ILogger<HandoffStore> logger)
{
    private const int AtOnce = 8;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    // Guards the fields below; held for a few accesses, never over an await. Holds at most one handoff per client, of its last
    // activation here.
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Kept> _kept = [];
    private Task _delivering = Task.CompletedTask;

    /// <summary>A silo to migrate to; null if there is no other.</summary>
    public SiloAddress? OtherSilo() => otherSilos() is { Count: > 0 } silos ? silos[Random.Shared.Next(silos.Count)] : null;

    /// <summary>Keeps a handoff and delivers it.</summary>
    public void Keep(string client, LimiterHandoff handoff)
    {
        lock (_gate)
        {
            Drop(client);
            _kept[client] = new(handoff, time.GetTimestamp(), handoff.Bytes);
            counters.AddBytes(handoff.Bytes);

            // A single loop. It handles its own failures and ends when nothing is left or the silo stops.
            if (_delivering.IsCompleted) _delivering = Task.Run(DeliverAsync);
        }
    }

    /// <summary>
    /// Takes the handoff that the last activation of this client on this silo left; null if another silo has taken it.
    /// </summary>
    public LimiterHandoff? Take(string client)
    {
        lock (_gate)
        {
            var kept = _kept.GetValueOrDefault(client);
            Drop(client);
            return kept?.Handoff;
        }
    }

    private async Task DeliverAsync()
    {
        for (var pause = FirstPause; ; pause = pause < LongestPause ? pause * 2 : LongestPause)
        {
            await PauseAsync(pause);
            KeyValuePair<string, Kept>[] all;
            lock (_gate) all = [.. _kept];
            await Parallel.ForEachAsync(
                all, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (each, _) => await DeliverAsync(each.Key, each.Value));
            lock (_gate)
            {
                // Handoffs kept meanwhile get one attempt as well, because most of them arrive while the silo stops.
                var tried = all.Select(each => each.Value).ToHashSet<Kept>(ReferenceEqualityComparer.Instance);
                if (_kept.Count > 0 && !(logs.Stopping.IsCancellationRequested && _kept.Values.All(tried.Contains))) continue;
                foreach (var client in _kept.Keys) LogLost(logger, client);
                _delivering = Task.CompletedTask;
                return;
            }
        }
    }

    // A stopping silo has no time for long pauses.
    private async Task PauseAsync(TimeSpan pause)
    {
        await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), time, logs.Stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (logs.Stopping.IsCancellationRequested) await Task.Delay(FirstPause * (0.5 + Random.Shared.NextDouble()), time);
    }

    private async Task DeliverAsync(string client, Kept kept)
    {
        try
        {
            if (time.GetElapsedTime(kept.Since) < kept.Handoff.Longest) await grains.GetGrain<ILimiterHeir>(client).InheritAsync(kept.Handoff);
        }
        catch (Exception error)
        {
            // The next round tries again.
            LogNotDelivered(logger, client, error.Message);
            return;
        }

        lock (_gate)
        {
            if (ReferenceEquals(_kept.GetValueOrDefault(client), kept)) Drop(client);
        }
    }

    private void Drop(string client)
    {
        if (_kept.Remove(client, out var kept)) counters.AddBytes(-kept.Bytes);
    }

    private sealed record Kept(LimiterHandoff Handoff, long Since, long Bytes);

    [LoggerMessage(EventId = 1800, Level = LogLevel.Debug, Message = "Could not deliver the handoff of limiter {Client}, retrying: {Reason}")]
    private static partial void LogNotDelivered(ILogger logger, string client, string reason);

    [LoggerMessage(EventId = 1801, Level = LogLevel.Warning,
        Message = "The silo stops before the handoff of limiter {Client} was delivered; grants that are not in Redis may be lost")]
    private static partial void LogLost(ILogger logger, string client);
}
