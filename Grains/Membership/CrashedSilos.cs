using System.Net.Sockets;
using Actors.Core;
using Microsoft.Extensions.Logging;

namespace Actors.Membership;

/// <summary>
/// Lets a silo join after others crashed. A joining silo must reach every silo that the membership table lists as active. After
/// a crash of the whole cluster no silo is left to remove them, and the join would give up after minutes. So while this silo
/// waits to join, it declares silent silos dead. A silo is silent if its entry has not changed for <see cref="SilentFor"/>,
/// measured by this silo's clock only, and if its port refuses connections.
/// </summary>
internal sealed partial class CrashedSilos(
    IMembershipTable table, IClusterMembershipService membership, ILocalSiloDetails self, BackgroundLoops loops, TimeProvider clock,
    ILogger<CrashedSilos> logger)
    : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    /// <summary>How often a live silo updates its entry.</summary>
    public static readonly TimeSpan AliveEvery = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan SilentFor = 3 * AliveEvery;
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    private readonly BackgroundLoop _loop = new("Search for crashed silos", loops, clock, logger);
    private readonly CancellationTokenSource _joined = new();
    private Task _watching = Task.CompletedTask;

    // The last sign of life of each active silo, and when it was first seen. Used by the loop only.
    private readonly Dictionary<SiloAddress, (DateTime Sign, long Since)> _seen = [];

    public void Participate(ISiloLifecycle observer)
    {
        observer.Subscribe(nameof(CrashedSilos), ServiceLifecycleStage.ValidateInitialConnectivity - 1, _ =>
        {
            _watching = Task.Run(() => _loop.RunAsync(WatchAsync, _joined.Token), CancellationToken.None);
            return Task.CompletedTask;
        });
        observer.Subscribe(nameof(CrashedSilos), ServiceLifecycleStage.Active, async _ =>
        {
            await _joined.CancelAsync();
            await _watching;
        });
    }

    // Also runs after a failed start, when nothing else stops the loop. The source is only cancelled because the loop may still
    // use it.
    public void Dispose() => _joined.Cancel();

    private async Task<bool> WatchAsync(CancellationToken joined)
    {
        await LookAsync();
        await Task.Delay(LookEvery, clock, joined);
        return true;
    }

    private async Task LookAsync()
    {
        foreach (var (entry, _) in (await table.ReadAllAsync(_joined.Token)).Members)
        {
            if (entry.Status != SiloStatus.Active || entry.SiloAddress.Equals(self.SiloAddress)) continue;
            if (!_seen.TryGetValue(entry.SiloAddress, out var last) || last.Sign != entry.IAmAliveTime)
            {
                _seen[entry.SiloAddress] = (entry.IAmAliveTime, clock.GetTimestamp());
                continue;
            }

            if (clock.GetElapsedTime(last.Since) < SilentFor || await AnswersAsync(entry.SiloAddress)) continue;
            LogDead(logger, entry.SiloAddress, SilentFor);
            await membership.TryKill(entry.SiloAddress);
        }
    }

    private static async Task<bool> AnswersAsync(SiloAddress silo)
    {
        using var socket = new Socket(silo.Endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        using var limit = new CancellationTokenSource(LookEvery);
        try
        {
            await socket.ConnectAsync(silo.Endpoint, limit.Token);
            return true;
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException)
        {
            return false;
        }
    }

    [LoggerMessage(EventId = 1304, Level = LogLevel.Warning, Message =
        "Silo {Silo} is in the membership table but has given no sign of life for {SilentFor} and cannot be reached; declaring it dead")]
    private static partial void LogDead(ILogger logger, SiloAddress silo, TimeSpan silentFor);
}
