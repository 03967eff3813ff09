using System.Collections.Concurrent;
using System.Text.Json;
using Actors.Cli.Commands;
using Actors.Cli.Load;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests.Load;

public sealed class LoadCommandTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Ledger_holds_exactly_the_acknowledged_writes()
    {
        var acknowledged = new ConcurrentDictionary<(string, long), string>();
        var attempts = 0;
        _shell.Cluster.BeforeWrite = (_, _, _) => Interlocked.Increment(ref attempts) % 50 == 0 ? throw new TimeoutException() : Pause.ShortlyAsync();
        _shell.Cluster.AfterWrite = (id, patch, _) =>
        {
            Assert.True(acknowledged.TryAdd((id, _shell.Cluster.Find(id)!.Version), patch.Attributes!["load"]!));
            return Task.CompletedTask;
        };
        var file = _shell.Path("ledger");
        var result = await _shell.RunUntilAsync(
            () => acknowledged.Count > 1000 && _shell.Cluster.Users.Count == 10,
            "load", "writes", "--seconds", "86400", "--users", "10", "--concurrency", "64", "--ledger", file,
            "--durability", "database", "--json");

        var entries = File.ReadLines(file).Select(line => LedgerEntry.Parse(System.Text.Encoding.UTF8.GetBytes(line))).ToArray();
        Assert.NotEmpty(entries);
        Assert.All(entries, entry =>
        {
            Assert.Equal(Durability.Database, entry.Durability);
            var token = JsonDocument.Parse(entry.State).RootElement.GetProperty("attributes").GetProperty("load").GetString();
            Assert.Equal(acknowledged[(entry.Id, entry.Version)], token);
        });
        Assert.Equal(acknowledged.Count, entries.Length);
        Assert.Equal(acknowledged.Count, acknowledged.Values.Distinct().Count());
        Assert.Equal(10, entries.Select(e => e.Id).Distinct().Count());
        Assert.Equal(entries.Length, result.Json.GetProperty("succeeded").GetInt64());
        Assert.Equal(entries.Length, result.Json.GetProperty("ledger").GetProperty("entries").GetInt64());
        Assert.True(result.Json.GetProperty("failures").GetProperty("TimeoutException").GetInt64() > 0);
    }

    [Fact]
    public async Task User_is_written_by_one_worker_at_a_time()
    {
        var writing = new ConcurrentDictionary<string, bool>();
        _shell.Cluster.BeforeWrite = async (id, _, _) =>
        {
            Assert.True(writing.TryAdd(id, true));
            await Task.Delay(1);
        };
        _shell.Cluster.AfterWrite = (id, _, _) =>
        {
            writing.TryRemove(id, out _);
            return Task.CompletedTask;
        };
        var result = await _shell.RunAsync("load", "writes", "--seconds", "10", "--users", "20", "--concurrency", "8", "--json");
        Assert.Equal(0, result.Json.GetProperty("failed").GetInt64());
    }

    [Fact]
    public async Task Request_ids_keep_counters_exact_if_responses_are_lost()
    {
        var lost = 0;
        _shell.Cluster.AfterWrite = (_, _, _) => Interlocked.Increment(ref lost) % 10 == 0 ? throw new TimeoutException() : Pause.ShortlyAsync();
        await _shell.RunAsync("user", "set", "load-3", "--incr", "writes=7");
        var file = _shell.Path("ledger");
        var result = await _shell.RunUntilAsync(
            () => Enumerable.Range(0, 10).All(i => _shell.Cluster.Find($"load-{i}") is { Version: > 20 }),
            "load", "writes", "--seconds", "86400", "--users", "10", "--concurrency", "4", "--ledger", file, "--request-ids", "--json");
        var last = File.ReadLines(file).Select(line => LedgerEntry.Parse(System.Text.Encoding.UTF8.GetBytes(line)))
            .GroupBy(entry => entry.Id).Select(user => user.MaxBy(entry => entry.Version)).ToArray();
        Assert.Equal(10, last.Length);
        foreach (var entry in last)
        {
            var user = _shell.Cluster.Find(entry.Id)!;
            var count = JsonDocument.Parse(entry.State).RootElement.GetProperty("counters").GetProperty("writes").GetInt64();
            // The load may end between a write and the retry that would have returned its receipt.
            Assert.InRange(user.Version - entry.Version, 0, 1);
            Assert.Equal(user.Counters["writes"] - count, user.Version - entry.Version);
        }
    }

    [Fact]
    public async Task Interrupted_load_closes_its_ledger_and_prints_a_summary()
    {
        using var interrupt = new CancellationTokenSource();
        var written = 0;
        _shell.Cluster.AfterWrite = async (_, _, _) =>
        {
            if (Interlocked.Increment(ref written) == 1000)
                await interrupt.CancelAsync();
        };
        var file = _shell.Path("ledger");
        var result = await _shell.RunAsync(interrupt.Token, "load", "writes", "--seconds", "6000", "--users", "100", "--ledger", file);
        Assert.Equal(ExitCode.Interrupted, result.ExitCode);
        Assert.Contains($"{written:#,0} writes acknowledged in", result.Output, StringComparison.Ordinal);
        Assert.Equal(written, File.ReadLines(file).Count());
    }

    [Fact]
    public async Task Load_without_any_acknowledgement_reports_an_unavailable_cluster()
    {
        _shell.Cluster.BeforeWrite = (_, _, _) => throw new OverloadedException("full", TimeSpan.FromSeconds(1));
        var result = await _shell.RunAsync("load", "writes", "--seconds", "5", "--users", "5");
        Assert.Equal(ExitCode.Unavailable, result.ExitCode);
        Assert.Contains("failed with OverloadedException", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unwritable_ledger_is_an_error()
    {
        var result = await _shell.RunAsync("load", "writes", "--seconds", "5", "--ledger", _shell.Path("no/such/directory"));
        Assert.Equal(ExitCode.Usage, result.ExitCode);
        result.OnlyError();
    }

    [Fact]
    public async Task Reads_report_how_many_found_a_user()
    {
        await _shell.RunAsync("user", "set", "p0", "--name", "x");
        _shell.Cluster.BeforeRead = _ => Pause.ShortlyAsync();
        var all = await _shell.RunAsync("load", "reads", "--seconds", "5", "--users", "1", "--prefix", "p", "--json");
        Assert.Equal(all.Json.GetProperty("succeeded").GetInt64(), all.Json.GetProperty("found").GetInt64());
        var none = await _shell.RunAsync("load", "reads", "--seconds", "5", "--prefix", "q", "--json");
        Assert.Equal((ExitCode.Done, 0), (none.ExitCode, none.Json.GetProperty("found").GetInt64()));
    }
}
