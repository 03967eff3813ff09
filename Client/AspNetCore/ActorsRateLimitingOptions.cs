using Microsoft.AspNetCore.Http;

namespace Actors;

/// <summary>
/// Which requests are limited by the cluster, and who their clients are. Without a source of client ids, a client is a
/// remote address.
/// </summary>
public sealed class ActorsRateLimitingOptions
{
    private readonly Dictionary<string, TimeSpan> _policies = new(StringComparer.Ordinal);
    private readonly List<ClientIdSource> _sources = [];
    private readonly List<string> _prefixes = [];
    private (int BitsOfIPv6, string Prefix) _address = (64, "address:");

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

    /// <summary>
    /// The policy that requests are charged by their address as well, if their client id is one that the caller chose and nobody
    /// has checked (<see cref="ClientIdFromHeader(string, string)"/>), or if they have none. It bounds what a caller gets by new
    /// ids: give it several times what one client may have. Null (the default): none.
    /// </summary>
    public string? AddressPolicy { get; set; }

    /// <inheritdoc cref="GrainRateLimiterOptions.MaxQueued"/>
    public int MaxQueued { get; set; } = 10_000;

    /// <summary>
    /// The client id that all requests share for which no source has one. Null: those are not limited, so that a caller passes
    /// by leaving its id out. Default: "anonymous".
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

    internal IReadOnlyList<ClientIdSource> Sources => _sources;

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
    /// Takes the client id from a header that nobody has checked. The caller chooses it, and each new value is a new client with
    /// limits of its own: refuse unknown keys before the limiter, set <see cref="AddressPolicy"/>, or use the overload that checks.
    /// </summary>
    /// <param name="name">The name of the header.</param>
    /// <param name="prefix">Put before its hash, so that ids from several sources cannot be the same.</param>
    /// <inheritdoc cref="ClientIdFromHeader(string, Func{HttpContext, string, bool}, string)"/>
    public ActorsRateLimitingOptions ClientIdFromHeader(string name, string prefix = "key:") =>
        FromHeader(name, isKnown: null, prefix);

    /// <summary>
    /// Takes the client id from a header that holds an API key. The key is hashed (<see cref="ClientIds.OfApiKey"/>). A header that
    /// is there more than once, holds a comma, or is not known, is no id: the next source is asked.
    /// </summary>
    /// <param name="name">The name of the header.</param>
    /// <param name="isKnown">True if the key is one that was given out. Called for each request; must be quick.</param>
    /// <param name="prefix">Put before its hash, so that ids from several sources cannot be the same.</param>
    /// <exception cref="ArgumentException">Another source has the prefix, or one that begins like it.</exception>
    public ActorsRateLimitingOptions ClientIdFromHeader(
        string name, Func<HttpContext, string, bool> isKnown, string prefix = "key:")
    {
        ArgumentNullException.ThrowIfNull(isKnown);
        return FromHeader(name, isKnown, prefix);
    }

    /// <summary>Takes the client id from a claim of an authenticated user; authentication has to come before the limiter.</summary>
    /// <param name="type">The type of the claim, e.g. "sub".</param>
    /// <param name="prefix">Put before its value, so that ids from several sources cannot be the same.</param>
    /// <exception cref="ArgumentException">Another source has the prefix, or one that begins like it.</exception>
    public ActorsRateLimitingOptions ClientIdFromClaim(string type, string prefix = "user:")
    {
        ArgumentException.ThrowIfNullOrEmpty(type);
        AddPrefix(prefix);
        return Add(isTrusted: true, context => new(Prefixed(prefix, ClaimOf(context, type))));
    }

    /// <summary>
    /// Takes the client id from the address of the connection. Behind a proxy that is the proxy's, and all share its limits:
    /// have <c>UseForwardedHeaders</c> before the limiter, with the proxies that are to be believed.
    /// </summary>
    /// <param name="bitsOfIPv6">
    /// How much of an IPv6 address counts, 1 to 128. Default: 64, the least that one subscriber has to itself; many have 56 or 48.
    /// </param>
    /// <param name="prefix">Put before the address, so that ids from several sources cannot be the same.</param>
    /// <exception cref="ArgumentException">Another source has the prefix, or one that begins like it.</exception>
    public ActorsRateLimitingOptions ClientIdFromAddress(int bitsOfIPv6 = 64, string prefix = "address:")
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bitsOfIPv6, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bitsOfIPv6, 128);
        AddPrefix(prefix);
        _address = (bitsOfIPv6, prefix);
        return Add(isTrusted: true, context => new(AddressOf(context)));
    }

    /// <summary>
    /// Takes the client id from the request in a way of its own; null or empty where it has none. The first source that has
    /// one counts. An id that is too long or not well-formed is replaced by its hash.
    /// </summary>
    /// <remarks>
    /// The id must be one that the caller cannot vary. Of a header, query parameter or cookie take
    /// <see cref="ClientIds.Only"/>, never the text of all values.
    /// </remarks>
    public ActorsRateLimitingOptions ClientIdFrom(Func<HttpContext, string?> source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return Add(isTrusted: true, context => new(source(context)));
    }

    /// <summary>The id of the address a request comes from; null if it has none, as on a Unix socket.</summary>
    internal string? AddressOf(HttpContext context) =>
        HttpClientId.OfAddress(context.Connection.RemoteIpAddress, _address.BitsOfIPv6) is { } address ? _address.Prefix + address : null;

    /// <summary>What the cluster is asked with.</summary>
    internal GrainRateLimiterOptions ToLimiterOptions() =>
        new() { CallTimeout = CallTimeout, WhenUnreachable = WhenUnreachable, MaxQueued = MaxQueued };

    // Of identities that were authenticated: a user may have others besides.
    private static string? ClaimOf(HttpContext context, string type) =>
        context.User.Identities.Where(identity => identity.IsAuthenticated).Select(identity => identity.FindFirst(type)?.Value)
            .FirstOrDefault(value => !string.IsNullOrWhiteSpace(value));

    private static string? Prefixed(string prefix, string? value) => string.IsNullOrWhiteSpace(value) ? null : prefix + value;

    private ActorsRateLimitingOptions FromHeader(string name, Func<HttpContext, string, bool>? isKnown, string prefix)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        AddPrefix(prefix);
        return Add(isTrusted: isKnown is not null, context =>
        {
            var values = context.Request.Headers[name];
            if (ClientIds.Only(values) is not { } key) return string.IsNullOrWhiteSpace(values) ? FoundClientId.None : FoundClientId.Rejected;
            return isKnown?.Invoke(context, key) == false ? FoundClientId.Rejected : new(ClientIds.OfApiKey(key, prefix));
        });
    }

    private ActorsRateLimitingOptions Add(bool isTrusted, Func<HttpContext, FoundClientId> find)
    {
        _sources.Add(new(find, isTrusted));
        return this;
    }

    // Else the id of one source could be typed into another.
    private void AddPrefix(string prefix)
    {
        ArgumentException.ThrowIfNullOrEmpty(prefix);
        var other = _prefixes.Find(each => each.StartsWith(prefix, StringComparison.Ordinal) || prefix.StartsWith(each, StringComparison.Ordinal));
        if (other is not null)
        {
            throw new ArgumentException(
                $"The prefix '{prefix}' and '{other}' of another source of client ids begin alike; give each source a prefix of its own.",
                nameof(prefix));
        }

        _prefixes.Add(prefix);
    }
}
