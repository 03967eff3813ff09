using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Actors.Core;
using Actors.Membership;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests.Resilience;

/// <summary>A silo that waits to join declares dead those that are silent and cannot be reached, and no others.</summary>
public sealed class CrashedSilosTests : IAsyncLifetime
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    // Longer than any pause after a look that failed.
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(10);

    // How many looks, a second apart, until a silo has been silent for long enough.
    private static readonly int SilentAfter = (int)(3 * CrashedSilos.AliveEvery / Second);

    private readonly Table _table = new();
    private readonly LookingClock _clock = new();
    private readonly Lifecycle _lifecycle = new();
    private readonly Socket _listening = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly SiloAddress _self;
    private readonly SiloAddress _gone;
    private readonly SiloAddress _well;
    private readonly CrashedSilos _crashed;

    public CrashedSilosTests()
    {
        _listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listening.Listen();
        _well = SiloAddress.New((IPEndPoint)_listening.LocalEndPoint!, 1);

        // Port 1 has no listener, so it refuses connections.
        _self = SiloAddress.New(IPAddress.Loopback, 1, 2);
        _gone = SiloAddress.New(IPAddress.Loopback, 1, 1);
        _crashed = new CrashedSilos(_table, _table, new Self(_self), new BackgroundLoops(), _clock, NullLogger<CrashedSilos>.Instance);
    }

    public ValueTask InitializeAsync()
    {
        _crashed.Participate(_lifecycle);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        _crashed.Dispose();
        await _lifecycle.RunAsync(ServiceLifecycleStage.Active).WaitAsync(Limit);
        _listening.Dispose();
    }

    [Fact]
    public async Task Silent_silo_that_cannot_be_reached_is_declared_dead()
    {
        _table.Set(_gone, SiloStatus.Active);
        await StartAsync();
        await LookAsync(SilentAfter - 1);
        Assert.Empty(_table.Killed);
        await LookAsync(1);
        Assert.Equal([_gone], _table.Killed);
    }

    [Fact]
    public async Task Silent_silo_that_can_be_reached_is_left_alone()
    {
        _table.Set(_well, SiloStatus.Active);
        await StartAsync();
        await LookAsync(2 * SilentAfter);
        Assert.Empty(_table.Killed);
    }

    [Fact]
    public async Task Silo_that_gives_signs_of_life_is_left_alone()
    {
        _table.Set(_gone, SiloStatus.Active);
        await StartAsync();
        for (var i = 0; i < 4; i++)
        {
            await LookAsync(SilentAfter - 1);
            _table.Set(_gone, SiloStatus.Active);
        }

        Assert.Empty(_table.Killed);

        // The time counts from the look that saw the last sign.
        await LookAsync(SilentAfter);
        Assert.Empty(_table.Killed);
        await LookAsync(1);
        Assert.Equal([_gone], _table.Killed);
    }

    [Theory]
    [InlineData(SiloStatus.Joining)]
    [InlineData(SiloStatus.ShuttingDown)]
    [InlineData(SiloStatus.Dead)]
    public async Task Silo_that_is_not_active_is_left_alone(SiloStatus status)
    {
        _table.Set(_gone, status);
        await StartAsync();
        await LookAsync(2 * SilentAfter);
        Assert.Empty(_table.Killed);
    }

    [Fact]
    public async Task Silo_does_not_declare_itself_dead()
    {
        _table.Set(_self, SiloStatus.Active);
        await StartAsync();
        await LookAsync(2 * SilentAfter);
        Assert.Empty(_table.Killed);
    }

    [Fact]
    public async Task Table_that_cannot_be_read_is_read_again()
    {
        _table.Set(_gone, SiloStatus.Active);
        _table.IsAway = true;
        await StartAsync();
        for (var i = 0; i < 3; i++) await PassAsync(AfterFailure);
        _table.IsAway = false;
        await PassAsync(AfterFailure);
        await LookAsync(SilentAfter);
        Assert.Equal([_gone], _table.Killed);
    }

    [Fact]
    public async Task Search_ends_once_the_silo_has_joined()
    {
        await StartAsync();
        await _lifecycle.RunAsync(ServiceLifecycleStage.Active).WaitAsync(Limit);
        var reads = _table.Reads;
        _table.Set(_gone, SiloStatus.Active);
        _clock.Advance(100 * Second);
        Assert.Equal(reads, _table.Reads);
        Assert.Empty(_table.Killed);
    }

    private async Task StartAsync()
    {
        await _lifecycle.RunAsync(ServiceLifecycleStage.ValidateInitialConnectivity - 1);
        await _clock.NextPauseAsync().WaitAsync(Limit);
    }

    /// <summary>Lets so many seconds pass, with a look after each.</summary>
    private async Task LookAsync(int times)
    {
        for (var i = 0; i < times; i++) await PassAsync(Second);
    }

    /// <summary>Lets a time pass that ends the present pause, and returns once the next one has begun.</summary>
    private async Task PassAsync(TimeSpan time)
    {
        _clock.Advance(time);
        await _clock.NextPauseAsync().WaitAsync(Limit);
    }

    /// <summary>A clock that tells when somebody begins to wait for it.</summary>
    private sealed class LookingClock : FakeTimeProvider
    {
        private readonly Channel<TimeSpan> _pauses = Channel.CreateUnbounded<TimeSpan>();

        public Task NextPauseAsync() => _pauses.Reader.ReadAsync().AsTask();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            _pauses.Writer.TryWrite(dueTime);
            return timer;
        }
    }

    private sealed class Table : IMembershipTable, IClusterMembershipService
    {
        private readonly ConcurrentDictionary<SiloAddress, MembershipEntry> _entries = new();
        private readonly ConcurrentQueue<SiloAddress> _killed = new();
        private DateTime _sign = DateTime.UnixEpoch;
        private int _reads;

        public IReadOnlyCollection<SiloAddress> Killed => _killed;

        public int Reads => Volatile.Read(ref _reads);

        public bool IsAway { get; set; }

        public ClusterMembershipSnapshot CurrentSnapshot { get; } =
            new(ImmutableDictionary<SiloAddress, ClusterMember>.Empty, new MembershipVersion(1));

        public IAsyncEnumerable<ClusterMembershipSnapshot> MembershipUpdates => throw new NotSupportedException();

        /// <summary>Writes an entry with a new sign of life.</summary>
        public void Set(SiloAddress silo, SiloStatus status) =>
            _entries[silo] = new() { SiloAddress = silo, Status = status, IAmAliveTime = _sign += TimeSpan.FromSeconds(5), SuspectTimes = [] };

        public Task<MembershipTableData> ReadAll()
        {
            Interlocked.Increment(ref _reads);
            if (IsAway) throw new TimeoutException("The table is away.");
            return Task.FromResult(new MembershipTableData([.. _entries.Values.Select(entry => Tuple.Create(entry, "1"))], new TableVersion(1, "1")));
        }

        public Task<bool> TryKill(SiloAddress siloAddress)
        {
            _killed.Enqueue(siloAddress);
            return Task.FromResult(true);
        }

        public ValueTask Refresh(MembershipVersion minimumVersion, CancellationToken cancellationToken) => default;

        public Task<MembershipTableData> ReadRow(SiloAddress key) => ReadAll();

        public Task InitializeMembershipTable(bool tryInitTableVersion) => throw new NotSupportedException();

        public Task DeleteMembershipTableEntries(string clusterId) => throw new NotSupportedException();

        public Task CleanupDefunctSiloEntries(DateTimeOffset beforeDate) => throw new NotSupportedException();

        public Task<bool> InsertRow(MembershipEntry entry, TableVersion tableVersion) => throw new NotSupportedException();

        public Task<bool> UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) => throw new NotSupportedException();

        public Task UpdateIAmAlive(MembershipEntry entry) => throw new NotSupportedException();
    }

    private sealed class Lifecycle : ISiloLifecycle
    {
        private readonly List<(int Stage, ILifecycleObserver Observer)> _observers = [];

        public int HighestCompletedStage => 0;

        public int LowestStoppedStage => 0;

        public IDisposable Subscribe(string observerName, int stage, ILifecycleObserver observer)
        {
            _observers.Add((stage, observer));
            return Stream.Null;
        }

        public async Task RunAsync(int stage)
        {
            foreach (var (at, observer) in _observers)
            {
                if (at == stage) await observer.OnStart(CancellationToken.None);
            }
        }
    }

    private sealed class Self(SiloAddress address) : ILocalSiloDetails
    {
        public string Name => "self";

        public string ClusterId => "tests";

        public string DnsHostName => "localhost";

        public SiloAddress SiloAddress => address;

        public SiloAddress GatewayAddress => address;
    }
}
