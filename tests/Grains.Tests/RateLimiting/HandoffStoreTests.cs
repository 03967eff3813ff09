using System.Reflection;
using System.Threading.Channels;
using Actors.Fixtures;
using Actors.RateLimiting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Actors.Grains.Tests.RateLimiting;

/// <summary>Handoffs that are kept until the next activations have accepted them.</summary>
[NeedsServers]
public sealed class HandoffStoreTests(RedisFixture redis)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Handoff_queued_during_delivery_is_sent_before_the_silo_stops()
    {
        using var stopping = new CancellationTokenSource();
        await using var gateway = redis.Open();
        await using var services = new ServiceCollection().AddOptions<RateLimitOptions>().Services.BuildServiceProvider();
        var counters = new LimiterCounters(new ConfiguredPolicies(services.GetRequiredService<IOptionsMonitor<RateLimitOptions>>()));
        var grains = DispatchProxy.Create<IGrainFactory, PlayedHeirs>();
        var heirs = (PlayedHeirs)grains;
        var store = new HandoffStore(
            grains, counters, new RedisGrantLogStore(gateway, TimeProvider.System, counters, stopping.Token), () => [], TimeProvider.System,
            NullLogger<HandoffStore>.Instance);

        store.Keep("first", Handoff("a"));
        Assert.Equal("first", await heirs.Tries.Reader.ReadAsync().AsTask().WaitAsync(Patience));
        store.Keep("second", Handoff("b"));
        await stopping.CancelAsync();
        heirs.First.SetException(new TimeoutException("away"));

        // The first may be retried before it.
        for (var tried = ""; tried != "second";) tried = await heirs.Tries.Reader.ReadAsync().AsTask().WaitAsync(Patience);
    }

    private static LimiterHandoff Handoff(string origin) => new() { Origins = [origin], Logs = [], Names = [], OwnPolicies = [] };
}

/// <summary>A factory of heirs; the test controls the response of "first".</summary>
public class PlayedHeirs : DispatchProxy
{
    public Channel<string> Tries { get; } = Channel.CreateUnbounded<string>();

    public TaskCompletionSource First { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => new Heir((string)args![0]!, this);
}

/// <summary>The next activation of a limiter.</summary>
internal sealed class Heir(string client, PlayedHeirs heirs) : ILimiterHeir
{
    public Task InheritAsync(LimiterHandoff handoff)
    {
        heirs.Tries.Writer.TryWrite(client);
        return client == "first" ? heirs.First.Task : Task.CompletedTask;
    }
}
