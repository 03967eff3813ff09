using Actors.Core;
using Actors.Fixtures;
using Actors.Grains.Tests.WriteBehind;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Actors.Grains.Tests;

public sealed class BackgroundLoopTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly BackgroundLoops _loops = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Failed_loop_is_reported_until_it_succeeds_again()
    {
        var (passes, isBroken) = (0, true);
        var loop = Open(NullLogger.Instance);
        var running = loop.RunAsync(
            _ =>
            {
                passes++;
                return Volatile.Read(ref isBroken) ? throw new KeyNotFoundException("a defect") : Task.FromResult(false);
            },
            Token);

        await Eventually.IsTrueAsync(() => Task.FromResult(_loops.Failing is [{ Failures: > 2 }]));
        Assert.Equal(("a loop", "a defect"), (_loops.Failing[0].Name, _loops.Failing[0].Error));
        Assert.True(loop.IsFailing);

        Volatile.Write(ref isBroken, false);
        await running.WaitAsync(Limit, Token);

        Assert.Empty(_loops.Failing);
        Assert.False(loop.IsFailing);
        Assert.InRange(passes, 4, 100);
    }

    [Fact]
    public async Task Loop_survives_a_throwing_logger()
    {
        var passes = 0;
        await Open(new ThrowingLogger()).RunAsync(_ => ++passes < 4 ? throw new KeyNotFoundException() : Task.FromResult(false), Token)
            .WaitAsync(Limit, Token);

        Assert.Equal(4, passes);
    }

    [Fact]
    public async Task Unrequested_cancellation_does_not_end_a_loop()
    {
        var passes = 0;
        await Open(NullLogger.Instance).RunAsync(_ => ++passes < 3 ? throw new OperationCanceledException() : Task.FromResult(false), Token)
            .WaitAsync(Limit, Token);

        Assert.Equal(3, passes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Stopped_loop_ends_and_is_no_longer_reported(bool fails)
    {
        using var stop = new CancellationTokenSource();
        var running = Open(NullLogger.Instance).RunAsync(
            async token =>
            {
                if (fails) throw new KeyNotFoundException();
                await Task.Delay(10, token);
                return true;
            },
            stop.Token);
        if (fails) await Eventually.IsTrueAsync(() => Task.FromResult(_loops.Failing.Count == 1));

        await stop.CancelAsync();
        await running.WaitAsync(Limit, Token);

        Assert.Empty(_loops.Failing);
    }

    private BackgroundLoop Open(ILogger logger) => new("a loop", _loops, new HastyClock(), logger);
}
