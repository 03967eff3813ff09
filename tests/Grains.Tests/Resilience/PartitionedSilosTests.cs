using System.Net;
using Actors.WriteBehind;
using CsCheck;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Actors.Grains.Tests.Resilience;

/// <summary>The silos' view of partitioned silos, for any order and loss of messages.</summary>
public sealed class PartitionedSilosTests
{
    private static readonly SiloAddress Self = SiloAddress.New(IPAddress.Loopback, 1000, 1);
    private static readonly SiloAddress Other = SiloAddress.New(IPAddress.Loopback, 1001, 1);

    [Fact]
    public Task Last_change_wins_in_any_order_of_messages() =>
        Gen.Select(Gen.Bool.Array[1, 8], Gen.Int[0, 1_000_000]).SampleAsync(
            async (announces, seed) =>
            {
                var network = new Network();
                var silo = new PartitionedSilos(network, NullLogger<PartitionedSilos>.Instance);
                foreach (var announce in announces) await network.DoAsync(silo, announce);
                network.DeliverAll(new Random(seed), lose: 0);
                Assert.Equal(silo.IsAnnounced, network.Receiver.IsAny);
            },
            iter: 2_000,
            threads: 1);

    [Fact]
    public Task Silos_agree_eventually_whatever_messages_are_lost() =>
        Gen.Select(Gen.Bool.Array[1, 8], Gen.Int[0, 1_000_000]).SampleAsync(
            async (announces, seed) =>
            {
                var network = new Network();
                var silo = new PartitionedSilos(network, NullLogger<PartitionedSilos>.Instance);
                foreach (var announce in announces) await network.DoAsync(silo, announce);
                network.DeliverAll(new Random(seed), lose: 50);
                network.IsOpen = true;
                await Task.WhenAll(network.Calls);
                await silo.ConvergeAsync();
                Assert.Equal(silo.IsAnnounced, network.Receiver.IsAny);

                // A receiver that took the silo for dead is informed again.
                network.Receiver.Forget(Self);
                await silo.ConvergeAsync(all: true);
                Assert.Equal(silo.IsAnnounced, network.Receiver.IsAny);
            },
            iter: 500,
            threads: 1);

    [Fact]
    public async Task Informed_silo_that_flushes_slowly_is_not_reported_as_uninformed()
    {
        var log = new LogLines();
        var network = new Network { IsOpen = true, Flushing = new TaskCompletionSource().Task };
        var silo = new PartitionedSilos(network, log);
        await silo.AnnounceAsync().WaitAsync(TimeSpan.FromSeconds(30));
        Assert.True(network.Receiver.IsAny);
        Assert.Contains("did not flush", Assert.Single(log.Lines), StringComparison.Ordinal);

        // Once confirmed, it is not announced again.
        await silo.ConvergeAsync();
        Assert.Equal(1, network.Told);
    }

    [Fact]
    public async Task Announcement_to_an_unreachable_silo_is_retried_with_one_log_line()
    {
        var log = new LogLines();
        var network = new Network { IsOpen = true, IsBroken = true };
        var silo = new PartitionedSilos(network, log);
        await silo.AnnounceAsync();
        for (var i = 0; i < 5; i++) await silo.ConvergeAsync();
        Assert.Contains("could not be told", Assert.Single(log.Lines), StringComparison.Ordinal);
        Assert.False(network.Receiver.IsAny);

        network.IsBroken = false;
        await silo.ConvergeAsync();
        Assert.True(network.Receiver.IsAny);
        Assert.Equal(1, network.Flushes);
    }

    [Fact]
    public async Task Announcement_during_a_withdrawal_counts()
    {
        var network = new Network { IsOpen = true };
        var silo = new PartitionedSilos(network, NullLogger<PartitionedSilos>.Instance);
        await silo.AnnounceAsync();
        await silo.WithdrawAsync(() => silo.AnnounceAsync());
        Assert.True(silo.IsAnnounced);
        Assert.True(network.Receiver.IsAny);

        await Assert.ThrowsAsync<InvalidOperationException>(() => silo.WithdrawAsync(() => throw new InvalidOperationException()));
        await silo.ConvergeAsync(all: true);
        Assert.True(silo.IsAnnounced && network.Receiver.IsAny);

        await silo.WithdrawAsync(() => Task.CompletedTask);
        Assert.False(silo.IsAnnounced || network.Receiver.IsAny);
    }

    /// <summary>Holds messages until they are delivered in any order or lost, or delivers them at once.</summary>
    private sealed class Network : IPartitionedPeers
    {
        private readonly Lock _gate = new();
        private readonly List<(long Number, bool IsCutOff, TaskCompletionSource Arrived)> _held = [];

        public PartitionedSilos Receiver { get; } = new(new NoPeers(), NullLogger<PartitionedSilos>.Instance);

        public List<Task> Calls { get; } = [];

        public bool IsOpen { get; set; }

        public bool IsBroken { get; set; }

        public Task Flushing { get; init; } = Task.CompletedTask;

        public int Told { get; private set; }

        public int Flushes { get; private set; }

        public IReadOnlyCollection<SiloAddress> Others => [Other];

        public Task TellAsync(SiloAddress silo, long number, bool isCutOff)
        {
            if (IsBroken) throw new TimeoutException("the network is broken");
            lock (_gate)
            {
                Told++;
                if (IsOpen)
                {
                    Receiver.Told(Self, number, isCutOff);
                    return Task.CompletedTask;
                }

                _held.Add((number, isCutOff, new(TaskCreationOptions.RunContinuationsAsynchronously)));
                return _held[^1].Arrived.Task;
            }
        }

        public Task FlushAsync(SiloAddress silo)
        {
            Flushes++;
            return Flushing;
        }

        /// <summary>Starts a change and returns once its message is in flight.</summary>
        public async Task DoAsync(PartitionedSilos silo, bool announce)
        {
            var told = Told;
            var isSilent = announce && silo.IsAnnounced;
            Calls.Add(announce ? silo.AnnounceAsync() : silo.WithdrawAsync(() => Task.CompletedTask));
            while (!isSilent && Told == told) await Task.Yield();
        }

        public void DeliverAll(Random random, int lose)
        {
            lock (_gate)
            {
                var messages = _held.ToArray();
                random.Shuffle(messages);
                foreach (var (number, isCutOff, arrived) in messages)
                {
                    if (random.Next(100) < lose)
                    {
                        arrived.SetException(new TimeoutException("lost"));
                        continue;
                    }

                    Receiver.Told(Self, number, isCutOff);
                    arrived.SetResult();
                }
            }
        }
    }

    private sealed class LogLines : ILogger<PartitionedSilos>
    {
        private readonly List<string> _lines = [];

        public IReadOnlyList<string> Lines => _lines;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_lines) _lines.Add(formatter(state, exception));
        }
    }
}
