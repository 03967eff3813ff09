namespace Actors.Bench.App.Http;

/// <summary>The copies of the endpoint, each its own process.</summary>
internal static class HttpVariants
{
    public const string Ours = "actors";
    public const string ByRedisRateLimiting = "redis-rate-limiting";
    public const string Unlimited = "unlimited";
}
