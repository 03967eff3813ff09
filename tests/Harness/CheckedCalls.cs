using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Actors.Harness;

/// <summary>
/// Writers and readers of the same users, in this process. Each read is held against what was acknowledged before it began.
/// Reads begin at a fixed rate, whether or not earlier ones are answered, and wait long: so many of them lie in the socket of a
/// silo that is stopped, and are answered when it runs again.
/// </summary>
public sealed class CheckedCalls : IAsyncDisposable
{
    private const int MaxReadsInFlight = 2_000;
    private const int MostNamed = 5;

    private static readonly TimeSpan BetweenReads = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan BetweenWrites = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan WriteLimit = TimeSpan.FromSeconds(30);

    // What a loaded machine adds to the time limit of a call.
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(15);

    private readonly IHost _writing;
    private readonly IHost _reading;
    private readonly string _prefix;
    private readonly TimeSpan _longestCall;
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
    private long _inFlight;

    private CheckedCalls(IHost writing, IHost reading, string prefix, int users, TimeSpan longestCall) =>
        (_writing, _reading, _prefix, _acknowledged, _longestCall) = (writing, reading, prefix, new long[users], longestCall);

    /// <summary>Reads so far that were answered unmarked with less than was acknowledged before they began.</summary>
    public long Stale => Interlocked.Read(ref _stale);

    /// <summary>Acknowledged writes so far.</summary>
    public long Writes => Interlocked.Read(ref _writes);

    /// <summary>Connects, writes every user once, and goes on with writes and reads.</summary>
    /// <param name="deployment">Where.</param>
    /// <param name="prefix">What the ids of the users begin with.</param>
    /// <param name="users">How many users.</param>
    /// <param name="writers">How many write at once; each has users of its own.</param>
    /// <param name="readLimit">How long a read waits for its answer.</param>
    public static async Task<CheckedCalls> StartAsync(Deployment deployment, string prefix, int users, int writers, TimeSpan readLimit)
    {
        var calls = new CheckedCalls(
            await ConnectAsync(deployment, client => client.ResponseTimeout = WriteLimit),
            await ConnectAsync(deployment, client => client.ResponseTimeout = client.AttemptTimeout = readLimit),
            prefix, users, (readLimit > WriteLimit ? readLimit : WriteLimit) + Margin);
        await Parallel.ForAsync(0, users, async (user, _) => await calls.WriteAsync(user));
        calls._running = Task.WhenAll(
            [Task.Run(calls.ReadAllAsync), .. Enumerable.Range(0, writers).Select(writer => Task.Run(() => calls.WriteAllAsync(writer, writers)))]);
        return calls;
    }

    /// <summary>Ends writes and reads, reads every user once more, and returns what was wrong.</summary>
    public async Task<IReadOnlyList<string>> StopAsync()
    {
        await _stop.CancelAsync();
        await _running;
        while (Interlocked.Read(ref _inFlight) > 0) await Task.Delay(BetweenReads);
        for (var user = 0; user < _acknowledged.Length; user++)
        {
            var read = await Client(_reading).User(Id(user)).GetAsync();
            if (read?.Version >= _acknowledged[user]) continue;
            _findings.Enqueue($"at the end user {user} has version {read?.Version ?? 0}, and {_acknowledged[user]} was acknowledged");
        }

        List<string> findings = [.. _findings.Take(MostNamed)];
        if (_findings.Count > MostNamed) findings.Add($"and {_findings.Count - MostNamed} more like these");
        return findings;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{_reads:#,0} reads ({_marked:#,0} marked as possibly stale, {_stale:#,0} stale without a mark), {_writes:#,0} writes;"
        + $" failed: {(_failures.IsEmpty ? "none" : string.Join(", ", _failures.OrderBy(each => each.Key).Select(each => $"{each.Value:#,0} {each.Key}")))}");

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        foreach (var host in (IHost[])[_writing, _reading])
        {
            await host.StopAsync();
            host.Dispose();
        }

        _stop.Dispose();
    }

    private async Task WriteAllAsync(int writer, int writers)
    {
        var mine = (_acknowledged.Length - writer + writers - 1) / writers;
        while (!_stop.IsCancellationRequested)
        {
            await TryAsync("write", () => WriteAsync(writer + (Random.Shared.Next(mine) * writers)));
            await Task.Delay(BetweenWrites);
        }
    }

    private async Task WriteAsync(int user)
    {
        var receipt = await Client(_writing).User(Id(user)).UpdateAsync(
            new() { Increment = new Dictionary<string, long> { ["n"] = 1 } }, new() { RequestId = Guid.NewGuid().ToString("n") });
        Volatile.Write(ref _acknowledged[user], Math.Max(_acknowledged[user], receipt.Version));
        Interlocked.Increment(ref _writes);
    }

    private async Task ReadAllAsync()
    {
        using var timer = new PeriodicTimer(BetweenReads);
        while (!_stop.IsCancellationRequested)
        {
            await timer.WaitForNextTickAsync();
            if (Interlocked.Read(ref _inFlight) >= MaxReadsInFlight) continue;
            Interlocked.Increment(ref _inFlight);

            // Ends within the time limit of the call, lets no failure out, and is waited for at the end.
            _ = TryAsync("read", () => ReadAsync(Random.Shared.Next(_acknowledged.Length)))
                .ContinueWith(_ => Interlocked.Decrement(ref _inFlight), TaskScheduler.Default);
        }
    }

    private async Task ReadAsync(int user)
    {
        var least = Volatile.Read(ref _acknowledged[user]);
        var watch = Stopwatch.StartNew();
        var read = await Client(_reading).User(Id(user)).GetAsync();
        Interlocked.Increment(ref _reads);
        if (read is { IsPossiblyStale: true }) Interlocked.Increment(ref _marked);
        else if (read is null || read.Version < least)
        {
            Interlocked.Increment(ref _stale);
            _findings.Enqueue(string.Create(CultureInfo.InvariantCulture,
                $"user {user} was read as version {read?.Version ?? 0} {watch.Elapsed.TotalSeconds:0.0} s after {least} was acknowledged"));
        }
    }

    private async Task TryAsync(string what, Func<Task> call)
    {
        var watch = Stopwatch.StartNew();
        try
        {
            await call();
        }
        catch (Exception error)
        {
            var type = $"{error.GetType().Name} of a {what}";
            _failures.AddOrUpdate(type, 1, (_, count) => count + 1);
            if (error is not (ActorsException or ClusterUnreachableException)) _findings.Enqueue($"a {what} failed with {error}");
        }

        if (watch.Elapsed > _longestCall) _findings.Enqueue($"a {what} took {watch.Elapsed}");
    }

    private string Id(int user) => string.Create(CultureInfo.InvariantCulture, $"{_prefix}{user}");

    private static ActorsClient Client(IHost host) => host.Services.GetRequiredService<ActorsClient>();

    private static async Task<IHost> ConnectAsync(Deployment deployment, Action<ActorsClientOptions> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Logging.SetMinimumLevel(LogLevel.Error);
        builder.AddActorsClient(client =>
        {
            client.Redis = deployment.Redis.ConnectionString;
            configure(client);
        });
        var host = builder.Build();
        await host.StartAsync();
        return host;
    }
}
