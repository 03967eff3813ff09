using System.Globalization;
using Actors.Harness.Limits;
using StackExchange.Redis;

namespace Actors.Fault.Tests.Limits.Naive;

/// <summary>Trim, count and add as separate commands: other callers count between the count and the add.</summary>
internal sealed class SeparateCommands(IDatabase redis, RedisKey key, LimitWindow window) : ISmallLimiter
{
    public async Task<long?> TryAcquireAsync(int permits)
    {
        var now = await TimeAsync();
        await redis.SortedSetRemoveRangeByScoreAsync(key, double.NegativeInfinity, now - window.Duration.TotalMicroseconds);
        if (await redis.SortedSetLengthAsync(key) >= window.Limit) return null;
        var granted = TimeAsync();
        await redis.SortedSetAddAsync(key, $"{Guid.NewGuid():n}", now);
        return await granted;
    }

    private async Task<long> TimeAsync()
    {
        var time = (string[])(await redis.ExecuteAsync("TIME"))!;
        return (long.Parse(time[0], CultureInfo.InvariantCulture) * 1_000_000) + long.Parse(time[1], CultureInfo.InvariantCulture);
    }
}
