using Microsoft.AspNetCore.Http;

namespace Actors;

/// <summary>
/// Which requests are limited by the cluster, and who their clients are. Without a source of client ids, a client is a
/// remote address.
/// </summary>
public sealed class ActorsRateLimitingOptions
{
    private readonly Dictionary<string, TimeSpan> _policies = new(StringComparer.Ordinal);
    private readonly List<Func<HttpContext, string?>> _clientIds = [];

    /// <summary>
    /// The policy of endpoints that name none by <c>RequireRateLimiting</c> or <c>[EnableRateLimiting]</c>, and of requests to
    /// no endpoint. Null (the default): those are not limited.
    /// </summary>
    public string? DefaultPolicy { get; set; }

    /// <summary>How long a request waits for the cluster at most. Default: 1 second.</summary>
    /// <inheritdoc cref="GrainRateLimiterOptions.CallTimeout" path="/value"/>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>What becomes of requests while the cluster does not answer. Default: <see cref="WhenUnreachable.Allow"/>.</summary>
    public WhenUnreachable WhenUnreachable { get; set; }

    /// <inheritdoc cref="GrainRateLimiterOptions.MaxQueued"/>
    public int MaxQueued { get; set; } = 10_000;

    /// <summary>
    /// The client id that all requests share for which no source has one. Null: those are not limited. Default: "anonymous".
    /// </summary>
    public string? SharedClientId { get; set; } = "anonymous";

    /// <summary>
    /// Whether responses carry <c>RateLimit</c> and <c>RateLimit-Policy</c>. <c>Retry-After</c> is there on every denial.
    /// Default: true.
    /// </summary>
    public bool WritesHeaders { get; set; } = true;

    /// <summary>
    /// Whether the header <c>RateLimit</c> of a request that only a policy in shadow mode would have denied says so, by the
    /// parameter <c>actors-shadow-denial</c>. They are counted in any case (<see cref="RateLimitClientTelemetry.Decisions"/>).
    /// Default: false.
    /// </summary>
    public bool ShowsShadowDenials { get; set; }

    internal IReadOnlyDictionary<string, TimeSpan> Policies => _policies;

    internal IReadOnlyList<Func<HttpContext, string?>> ClientIds => _clientIds;

    /// <summary>Makes a policy of the cluster one that endpoints may name.</summary>
    /// <param name="name">Its name there.</param>
    /// <param name="maxWait">
    /// How long a request waits for its turn before it is denied; 0 to <see cref="RateLimits.MaxWait"/>. Default: not at all.
    /// </param>
    /// <exception cref="InvalidRateLimitException">The name is none, or the wait is outside of what is allowed.</exception>
    public ActorsRateLimitingOptions AddPolicy(string name, TimeSpan maxWait = default)
    {
        RateLimits.Validate(new RateLimitRequest { Policy = name, MaxWait = maxWait });
        _policies[name] = maxWait;
        return this;
    }

    /// <summary>
    /// Takes the client id from a header, e.g. an API key. Whoever sends it chooses it: let unknown keys be refused before
    /// they get here, or each request has limits of its own.
    /// </summary>
    /// <param name="name">The name of the header.</param>
    /// <param name="prefix">Put before its value, so that ids from several sources cannot be the same.</param>
    public ActorsRateLimitingOptions ClientIdFromHeader(string name, string prefix = "key:")
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return ClientIdFrom(context => Prefixed(prefix, context.Request.Headers[name].ToString()));
    }

    /// <summary>Takes the client id from a claim of the user; authentication has to come before the limiter.</summary>
    /// <param name="type">The type of the claim, e.g. "sub".</param>
    /// <param name="prefix">Put before its value, so that ids from several sources cannot be the same.</param>
    public ActorsRateLimitingOptions ClientIdFromClaim(string type, string prefix = "user:")
    {
        ArgumentException.ThrowIfNullOrEmpty(type);
        return ClientIdFrom(context => context.User.Identity is { IsAuthenticated: true } ? Prefixed(prefix, context.User.FindFirst(type)?.Value) : null);
    }

    /// <summary>
    /// Takes the client id from the address of the connection. Behind a proxy that is the proxy's, and all share its limits:
    /// have <c>UseForwardedHeaders</c> before the limiter, with the proxies that are to be believed.
    /// </summary>
    /// <param name="bitsOfIPv6">
    /// How much of an IPv6 address counts, 1 to 128. Default: 64, since that is what one subscriber has to itself.
    /// </param>
    /// <param name="prefix">Put before the address, so that ids from several sources cannot be the same.</param>
    public ActorsRateLimitingOptions ClientIdFromAddress(int bitsOfIPv6 = 64, string prefix = "address:")
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bitsOfIPv6, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bitsOfIPv6, 128);
        return ClientIdFrom(context => HttpClientId.OfAddress(context.Connection.RemoteIpAddress, bitsOfIPv6) is { } address ? prefix + address : null);
    }

    /// <summary>
    /// Takes the client id from the request in a way of its own; null or empty where it has none. The first source that has
    /// one counts. An id that is too long or not well-formed is replaced by its hash.
    /// </summary>
    public ActorsRateLimitingOptions ClientIdFrom(Func<HttpContext, string?> source)
    {
        ArgumentNullException.ThrowIfNull(source);
        _clientIds.Add(source);
        return this;
    }

    /// <summary>What the cluster is asked with.</summary>
    internal GrainRateLimiterOptions ToLimiterOptions() =>
        new() { CallTimeout = CallTimeout, WhenUnreachable = WhenUnreachable, MaxQueued = MaxQueued };

    private static string? Prefixed(string prefix, string? value) => string.IsNullOrWhiteSpace(value) ? null : prefix + value;
}
