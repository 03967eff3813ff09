using Actors.Core;
using Actors.Fixtures;
using Actors.WriteBehind;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>Uses its own server, which these tests kill, stop and freeze.</summary>
[NeedsServers]
public sealed class PostgresOutageTests : IAsyncLifetime
{
    private readonly PostgresServer _server = new();
    private PostgresRowStore _store = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _server.StartAsync();
        _store = new PostgresRowStore(await _server.CreateDatabaseAsync() + ";Command Timeout=2;Timeout=2");
        await _store.MigrateAsync(Token);
        await WriteAsync(1);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Store_reports_a_stopped_server_and_recovers_once_it_is_back(bool kill)
    {
        await (kill ? _server.KillAsync() : _server.StopAsync());

        await Assert.ThrowsAsync<StorageUnavailableException>(() => WriteAsync(2));
        await Assert.ThrowsAsync<StorageUnavailableException>(() => _store.ReadAsync("u1", Token));

        await _server.StartAsync();
        await WriteWhenBackAsync(3);
        Assert.Equal(3, (await _store.ReadAsync("u1", Token))!.Version);
    }

    [Fact]
    public async Task Store_times_out_on_a_silent_server()
    {
        _server.SignalAll(Signals.Stop);
        try
        {
            await Assert.ThrowsAsync<StorageUnavailableException>(() => WriteAsync(2));
            await Assert.ThrowsAsync<StorageUnavailableException>(() => _store.ReadAsync("u1", Token));
        }
        finally
        {
            _server.SignalAll(Signals.Continue);
        }

        await WriteWhenBackAsync(3);
    }

    [Fact]
    public async Task Server_death_during_a_write_is_reported_and_confirmed_rows_stay()
    {
        long confirmed = 1;
        var failure = Task.Run(async () =>
        {
            for (var version = 2L; ; version++)
            {
                await WriteAsync(version);
                Volatile.Write(ref confirmed, version);
            }
        });
        await Task.Delay(300, Token);

        await _server.KillAsync();
        await Assert.ThrowsAsync<StorageUnavailableException>(() => failure);

        await _server.StartAsync();
        await WriteWhenBackAsync(0);
        Assert.InRange((await _store.ReadAsync("u1", Token))!.Version, confirmed, confirmed + 1);
    }

    private Task WriteAsync(long version) => _store.UpsertAsync([new Row("u1", version, 1, "{}"u8.ToArray())], Token);

    // The pool may hold broken connections; each fails once.
    private async Task WriteWhenBackAsync(long version)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                await WriteAsync(version);
                return;
            }
            catch (StorageUnavailableException) when (attempt < 20)
            {
                await Task.Delay(100, Token);
            }
        }
    }
}
