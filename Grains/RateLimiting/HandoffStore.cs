using Microsoft.Extensions.Logging;

namespace Actors.RateLimiting;

/// <summary>
/// Handoffs of activations that have ended on this silo, until another activation has taken them: one that comes to this silo
/// finds its own here, to any other it is delivered. It holds no more than those activations held, counts against their
/// ceiling, and each stays no longer than its grants count. Any thread.
/// </summary>
/// <param name="grains">Where the next activations are called.</param>
/// <param name="counters">Count its memory.</param>
/// <param name="logs">Tell when the silo stops.</param>
/// <param name="otherSilos">Tells the other active silos.</param>
/// <param name="time">Paces it.</param>
/// <param name="logger">Hears of what is lost.</param>
internal sealed partial class HandoffStore(
    IGrainFactory grains, LimiterCounters counters, RedisGrantLogStore logs, Func<IReadOnlyList<SiloAddress>> otherSilos, TimeProvider time,
    ILogger<HandoffStore> logger)
{
    private const int AtOnce = 8;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    // Guards the fields below; held for a few accesses, never over an await. At most one for a client: its last activation here.
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Kept> _kept = [];
    private Task _delivering = Task.CompletedTask;

    /// <summary>A silo to migrate to; null where there is no other.</summary>
    public SiloAddress? OtherSilo() => otherSilos() is { Count: > 0 } silos ? silos[Random.Shared.Next(silos.Count)] : null;

    /// <summary>Keeps a handoff, and delivers it.</summary>
    public void Keep(string client, LimiterHandoff handoff)
    {
        lock (_gate)
        {
            Drop(client);
            _kept[client] = new(handoff, time.GetTimestamp(), handoff.Bytes);
            counters.AddBytes(handoff.Bytes);

            // One loop. It owns its failures, and ends when nothing is left or the silo stops.
            if (_delivering.IsCompleted) _delivering = Task.Run(DeliverAsync);
        }
    }

    /// <summary>What the last activation of this client on this silo left, if no other has taken it.</summary>
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
            await Parallel.ForEachAsync(all, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (each, _) => await DeliverAsync(each.Key, each.Value));
            lock (_gate)
            {
                // What was kept meanwhile has its try as well, and most of it comes as the silo stops.
                var tried = all.Select(each => each.Value).ToHashSet<Kept>(ReferenceEqualityComparer.Instance);
                if (_kept.Count > 0 && !(logs.Stopping.IsCancellationRequested && _kept.Values.All(tried.Contains))) continue;
                foreach (var client in _kept.Keys) LogLost(logger, client);
                _delivering = Task.CompletedTask;
                return;
            }
        }
    }

    // A silo that stops has no time for long pauses.
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
            // With the next round.
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

    [LoggerMessage(Level = LogLevel.Debug, Message = "Cannot hand over the grants of limiter {Client} to its next activation now: {Reason}")]
    private static partial void LogNotDelivered(ILogger logger, string client, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The silo stops with grants of limiter {Client} that Redis does not know, and cannot tell whether another activation has taken them: if not, they count no more")]
    private static partial void LogLost(ILogger logger, string client);
}
