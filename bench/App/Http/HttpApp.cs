using System.Globalization;
using System.Threading.RateLimiting;
using Actors.Bench.App.Works;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;
using RedisRateLimiting;
using StackExchange.Redis;

namespace Actors.Bench.App.Http;

/// <summary>
/// The process with an HTTP app: one minimal endpoint, limited per API key. All variants check the key and charge the same window;
/// each limiter has its default options.
/// </summary>
internal static class HttpApp
{
    public const string Header = "X-Api-Key";

    private const string Policy = "many";

    private static readonly HashSet<string> Keys = [.. Enumerable.Range(0, AppLimit.Many.Clients).Select(Key)];

    /// <summary>As the script of wrk makes it.</summary>
    public static string Key(int number) => $"key-{number.ToString("D5", CultureInfo.InvariantCulture)}";

    public static async Task RunAsync(string variant, string url)
    {
        var settings = AppSettings.FromEnvironment();
        var builder = WebApplication.CreateSlimBuilder();
        AppClient.ToStandardError(builder.Logging);
        builder.WebHost.UseUrls(url);
        await using var redis = variant == HttpVariants.ByRedisRateLimiting ? await ConnectionMultiplexer.ConnectAsync(settings.Redis) : null;
        switch (variant)
        {
            case HttpVariants.Ours:
                builder.AddActorsClient();
                builder.Services.AddActorsRateLimiting(limits => limits
                    .AddPolicy(Policy)
                    .ClientIdFromHeader(Header, static (_, key) => Keys.Contains(key)));
                break;
            case HttpVariants.ByRedisRateLimiting:
                builder.Services.AddRateLimiter(limits => limits.AddPolicy(Policy, new RedisPolicy(settings, redis!)));
                break;
            case HttpVariants.Unlimited:
                break;
            default:
                throw new InvalidOperationException($"There is no HTTP app '{variant}'.");
        }

        await using var app = builder.Build();
        if (variant != HttpVariants.Unlimited) app.UseRateLimiter();
        var endpoint = app.MapGet("/", static () => "ok");
        if (variant != HttpVariants.Unlimited) endpoint.RequireRateLimiting(Policy);
        await app.StartAsync();
        await AppCommands.AnswerAsync(command => Task.FromResult(new AppReply(Bytes: command.Verb == AppVerb.Bytes
            ? GC.GetTotalAllocatedBytes()
            : throw new InvalidOperationException($"The HTTP app has no verb {command.Verb}."))));
        await app.StopAsync();
    }

    /// <summary>RedisRateLimiting.AspNetCore's sliding window, partitioned by key as its documentation does.</summary>
    private sealed class RedisPolicy(AppSettings settings, IConnectionMultiplexer redis) : IRateLimiterPolicy<string>
    {
        private readonly RedisSlidingWindowRateLimiterOptions _options = RedisLimits.OptionsOf(AppLimit.Many, redis);

        public Func<OnRejectedContext, CancellationToken, ValueTask>? OnRejected { get; } = static (context, cancellation) =>
            RedisRateLimiting.AspNetCore.RateLimitMetadata.OnRejected(context.HttpContext, context.Lease, cancellation);

        public RateLimitPartition<string> GetPartition(HttpContext httpContext)
        {
            var key = httpContext.Request.Headers[Header].ToString();
            return RedisRateLimitPartition.GetSlidingWindowRateLimiter(
                Keys.Contains(key) ? $"{settings.Name}-{key}" : "anonymous", _ => _options);
        }
    }
}
