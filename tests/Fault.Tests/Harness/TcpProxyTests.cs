using System.Net;
using System.Net.Sockets;
using Actors.Fixtures;

namespace Actors.Fault.Tests.Harness;

/// <summary>A faulty proxy would let every fault test that uses it pass.</summary>
public sealed class TcpProxyTests : IAsyncLifetime
{
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly RedisServer _redis = new();
    private TcpProxy _proxy = null!;

    public async ValueTask InitializeAsync()
    {
        await _redis.StartAsync();
        _proxy = new(_redis.Port);
    }

    public async ValueTask DisposeAsync()
    {
        await _proxy.DisposeAsync();
        await _redis.DisposeAsync();
    }

    [Fact]
    public async Task Cut_proxy_resets_and_refuses_connections_until_it_is_restored()
    {
        for (var time = 0; time < 3; time++)
        {
            using var client = await ConnectAsync();
            await PingAsync(client);
            _proxy.Cut();
            await Assert.ThrowsAnyAsync<IOException>(() => PingAsync(client));
            var refused = await Assert.ThrowsAsync<SocketException>(ConnectAsync);
            Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
            _proxy.Mend();
        }
        using var again = await ConnectAsync();
        await PingAsync(again);
    }

    [Fact]
    public async Task Stalled_proxy_accepts_data_and_answers_only_once_restored()
    {
        using var client = await ConnectAsync();
        await PingAsync(client);
        _proxy.Stall();
        using var second = await ConnectAsync();
        var answers = Task.WhenAll(PingAsync(client), PingAsync(second));
        await Task.Delay(Soon);
        Assert.False(answers.IsCompleted);
        _proxy.Mend();
        await answers;
    }

    [Fact]
    public async Task Slowed_proxy_delays_both_directions()
    {
        using var client = await ConnectAsync();
        _proxy.Slow(Soon);
        var began = TimeProvider.System.GetTimestamp();
        await PingAsync(client);

        // A timer may fire one tick of the system clock early.
        Assert.True(TimeProvider.System.GetElapsedTime(began) >= 2 * (Soon - TimeSpan.FromMilliseconds(16)));
    }

    [Fact]
    public async Task Stopped_server_is_unreachable_through_the_proxy()
    {
        using (var client = await ConnectAsync())
        {
            await PingAsync(client);
            await _redis.KillAsync();
            await Assert.ThrowsAnyAsync<IOException>(() => PingAsync(client));
        }
        await _redis.StartAsync();
        using var again = await ConnectAsync();
        await PingAsync(again);
    }

    private async Task<TcpClient> ConnectAsync()
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, _proxy.Port);
        return client;
    }

    private static async Task PingAsync(TcpClient client)
    {
        using var limit = new CancellationTokenSource(Limit);
        await client.GetStream().WriteAsync("PING\r\n"u8.ToArray(), limit.Token);
        var answer = new byte[16];
        if (await client.GetStream().ReadAsync(answer, limit.Token) == 0) throw new IOException("closed");
        Assert.Equal("+PONG"u8.ToArray(), answer[..5]);
    }
}
