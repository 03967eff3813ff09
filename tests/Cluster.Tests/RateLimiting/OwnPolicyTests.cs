using Actors.RateLimiting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Storage;
using static Actors.Cluster.Tests.RateLimiting.LimiterCluster;

namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>Late writes of own policies to Redis, over the storage of a real silo.</summary>
[Collection(LimiterCollection.Name)]
public sealed class OwnPolicyTests(LimiterCluster cluster)
{
    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public async Task Timed_out_write_does_not_undo_a_later_write_of_another_activation(bool hasPolicies, bool isRemoved)
    {
        var client = AnyClient();
        await using var redis = cluster.Cluster.OpenRedis();
        var storage = ((Orleans.TestingHost.InProcessSiloHandle)cluster.Cluster.Silos.Silos[0]).ServiceProvider
            .GetRequiredKeyedService<IGrainStorage>(OwnPolicies.Storage);
        var slow = new SlowStorage(storage);
        var (first, second) = (Open(slow), Open(storage));
        if (hasPolicies) await first.SetAsync("p", Policy("p", 1));

        var isHeld = slow.HoldWrites();
        var late = Assert.ThrowsAsync<StorageUnavailableException>(() => first.SetAsync("p", Policy("p", 2)));
        await isHeld;
        await late;
        await second.SetAsync("p", Policy("p", 3));
        await second.SetAsync("q", Policy("q", 4));
        if (isRemoved)
        {
            await second.SetAsync("p", null);
            await second.SetAsync("q", null);
        }

        await slow.ReleaseAsync();
        await AssertStoredAsync();

        // The first activation's next write includes the changes of the other.
        await first.SetAsync("r", Policy("r", 5));
        await AssertStoredAsync();

        async Task AssertStoredAsync()
        {
            var read = Open(storage);
            await read.LoadAsync();
            Assert.True(read.IsLoaded);
            Assert.Equal(isRemoved ? null : 3, read.Find("p")?.Windows[0].Limit);
            Assert.Equal(isRemoved ? null : 4, read.Find("q")?.Windows[0].Limit);
        }

        OwnPolicies Open(IGrainStorage with) =>
            new(GrainId.Create("rate-limiter", client), with, redis, TimeProvider.System, NullLogger.Instance);
    }

    private static RateLimitPolicy Policy(string name, int limit) => new() { Name = name, Windows = [Per(limit, TimeSpan.FromHours(1))] };

    /// <summary>A storage whose writes can be delayed before they reach the server.</summary>
    private sealed class SlowStorage(IGrainStorage storage) : IGrainStorage
    {
        private readonly List<Task> _writes = [];
        private TaskCompletionSource _way = Open();
        private readonly TaskCompletionSource _isHeld = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task HoldWrites()
        {
            _way = new(TaskCreationOptions.RunContinuationsAsynchronously);
            return _isHeld.Task;
        }

        /// <summary>Releases the writes, and returns once they and their consequences have ended.</summary>
        public async Task ReleaseAsync()
        {
            _way.SetResult();
            await Task.Delay(TimeSpan.FromSeconds(1));
            foreach (var write in _writes) await Task.WhenAny(write);
        }

        public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
            storage.ReadStateAsync(stateName, grainId, grainState);

        public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
            HoldAsync(() => storage.WriteStateAsync(stateName, grainId, grainState));

        public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
            HoldAsync(() => storage.ClearStateAsync(stateName, grainId, grainState));

        private Task HoldAsync(Func<Task> write)
        {
            var held = RunAsync();
            _writes.Add(held);
            return held;

            async Task RunAsync()
            {
                if (!_way.Task.IsCompleted) _isHeld.TrySetResult();
                await _way.Task;
                await write();
            }
        }

        private static TaskCompletionSource Open()
        {
            var open = new TaskCompletionSource();
            open.SetResult();
            return open;
        }
    }
}
