using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using Actors.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Actors.Harness;

/// <summary>
/// Writers and readers of the same users, in this process. Each read is compared with the writes acknowledged before it
/// began. Reads begin at a fixed rate, whether or not earlier ones have ended.
/// </summary>
public sealed class CheckedCalls : IAsyncDisposable
{
    private const int MaxReadsInFlight = 2_000;
    private const int MostNamed = 5;

    private static readonly TimeSpan BetweenReads = TimeSpan.FromMilliseconds(5);

    // A pause has room for all reads, and many begin late in it, after the users were taken over and changed.
    private static readonly TimeSpan BetweenPinnedReads = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan BetweenWrites = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(30);

    // The longest pause.
    private static readonly TimeSpan PinnedCallLimit = TimeSpan.FromSeconds(60);

    // The delay that a loaded machine adds to a call timeout.
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(15);

    private readonly Deployment _deployment;
    private readonly IHost _host;
    private readonly string _prefix;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, long> _failures = new();
    private readonly ConcurrentQueue<string> _findings = new();

    // By user. Raised by the user's one writer, read by any reader.
    private readonly long[] _acknowledged;
    private Task _running = Task.CompletedTask;
    private long _reads;
    private long _marked;
    private long _stale;
    private long _writes;

    private CheckedCalls(Deployment deployment, IHost host, string prefix, int users) =>
        (_deployment, _host, _prefix, _acknowledged) = (deployment, host, prefix, new long[users]);

    /// <summary>Connects, writes every user once, and continues with writes and reads.</summary>
    /// <param name="deployment">The deployment.</param>
    /// <param name="prefix">The prefix of the user ids.</param>
    /// <param name="users">The number of users.</param>
    /// <param name="writers">The number of concurrent writers; each has its own users.</param>
    public static async Task<CheckedCalls> StartAsync(Deployment deployment, string prefix, int users, int writers)
    {
        var calls = new CheckedCalls(deployment, await ConnectAsync(deployment, client => client.ResponseTimeout = CallLimit), prefix, users);
        await Parallel.ForAsync(0, users, async (user, _) => await calls.WriteAsync(user));
        calls._running = Task.WhenAll(
        [
            Task.Run(() => calls.ReadAllAsync(Client(calls._host), BetweenReads, CallLimit, calls._stop.Token)),
            .. Enumerable.Range(0, writers).Select(writer => Task.Run(() => calls.WriteAllAsync(writer, writers))),
        ]);
        return calls;
    }

    /// <summary>Ends writes and reads, reads every user once more, and returns the findings.</summary>
    public async Task<IReadOnlyList<string>> StopAsync()
    {
        await _stop.CancelAsync();
        await _running;
        for (var user = 0; user < _acknowledged.Length; user++)
        {
            var read = await Client(_host).User(Id(user)).GetAsync();
            if (read?.Version >= _acknowledged[user]) continue;
            _findings.Enqueue($"at the end user {user} has version {read?.Version ?? 0}, but {_acknowledged[user]} was acknowledged");
        }

        List<string> findings = [.. _findings.Take(MostNamed)];
        if (_findings.Count > MostNamed) findings.Add($"and {_findings.Count - MostNamed} more");
        return findings;
    }

    /// <summary>
    /// Reads through the gateway of one silo until cancelled. These calls have a long timeout: while the silo is frozen they stay
    /// in its socket, and it processes them when it resumes.
    /// </summary>
    public async Task ReadThroughAsync(SiloProcess silo, CancellationToken cancellationToken)
    {
        using var host = await ConnectAsync(_deployment, client => client.ResponseTimeout = client.AttemptTimeout = PinnedCallLimit, silo);
        await ReadAllAsync(Client(host), BetweenPinnedReads, PinnedCallLimit, cancellationToken);
        await host.StopAsync(CancellationToken.None);
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{_reads:#,0} reads ({_marked:#,0} marked as possibly stale, {_stale:#,0} stale without a mark), {_writes:#,0} writes;"
        + $" failed: {(_failures.IsEmpty ? "none" : string.Join(", ", _failures.OrderBy(each => each.Key).Select(each => $"{each.Value:#,0} {each.Key}")))}");

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _host.StopAsync();
        _host.Dispose();
        _stop.Dispose();
    }

    private async Task WriteAllAsync(int writer, int writers)
    {
        var mine = (_acknowledged.Length - writer + writers - 1) / writers;
        while (!_stop.IsCancellationRequested)
        {
            await TryAsync("write", CallLimit, () => WriteAsync(writer + (Random.Shared.Next(mine) * writers)));
            await Task.Delay(BetweenWrites);
        }
    }

    private async Task WriteAsync(int user)
    {
        var receipt = await Client(_host).User(Id(user)).UpdateAsync(
            new() { Increment = new Dictionary<string, long> { ["n"] = 1 } }, new() { RequestId = Guid.NewGuid().ToString("n") });
        Volatile.Write(ref _acknowledged[user], Math.Max(_acknowledged[user], receipt.Version));
        Interlocked.Increment(ref _writes);
    }

    private async Task ReadAllAsync(ActorsClient client, TimeSpan interval, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(interval);
        var reads = new List<Task>();
        while (!cancellationToken.IsCancellationRequested)
        {
            await timer.WaitForNextTickAsync(CancellationToken.None);
            reads.RemoveAll(read => read.IsCompleted);
            if (reads.Count >= MaxReadsInFlight) continue;
            reads.Add(TryAsync("read", limit, () => ReadAsync(client, Random.Shared.Next(_acknowledged.Length), cancellationToken)));
        }

        await Task.WhenAll(reads);
    }

    private async Task ReadAsync(ActorsClient client, int user, CancellationToken cancellationToken)
    {
        var least = Volatile.Read(ref _acknowledged[user]);
        var watch = Stopwatch.StartNew();
        var read = await client.User(Id(user)).GetAsync(cancellationToken);
        Interlocked.Increment(ref _reads);
        if (read is { IsPossiblyStale: true }) Interlocked.Increment(ref _marked);
        else if (read is null || read.Version < least)
        {
            Interlocked.Increment(ref _stale);
            _findings.Enqueue(string.Create(CultureInfo.InvariantCulture,
                $"user {user} was read as version {read?.Version ?? 0} {watch.Elapsed.TotalSeconds:0.0} s after {least} was acknowledged"));
        }
    }

    private async Task TryAsync(string what, TimeSpan limit, Func<Task> call)
    {
        var watch = Stopwatch.StartNew();
        try
        {
            await call();
        }
        catch (OperationCanceledException)
        {
            // Its reader has ended.
        }
        catch (Exception error)
        {
            var type = $"{error.GetType().Name} of a {what}";
            _failures.AddOrUpdate(type, 1, (_, count) => count + 1);
            if (error is not (ActorsException or ClusterUnreachableException)) _findings.Enqueue($"a {what} failed with {error}");
        }

        if (watch.Elapsed > limit + Margin) _findings.Enqueue($"a {what} took {watch.Elapsed}");
    }

    private string Id(int user) => string.Create(CultureInfo.InvariantCulture, $"{_prefix}{user}");

    private static ActorsClient Client(IHost host) => host.Services.GetRequiredService<ActorsClient>();

    private static async Task<IHost> ConnectAsync(Deployment deployment, Action<ActorsClientOptions> configure, SiloProcess? only = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Logging.SetMinimumLevel(LogLevel.Error);
        builder.AddActorsClient(client =>
        {
            client.Redis = deployment.Redis.ConnectionString;
            configure(client);
        });
        if (only is not null) builder.UseOrleansClient(client => client.UseStaticClustering(new IPEndPoint(IPAddress.Loopback, only.GatewayPort)));
        var host = builder.Build();
        await host.StartAsync();
        return host;
    }
}
