using Microsoft.AspNetCore.Http;

namespace Actors;

/// <summary>
/// Defines which requests the cluster limits, and how their client ids are found. Without a source of client ids, the client is
/// the remote address.
/// </summary>
public sealed class ActorsRateLimitingOptions
{
    private readonly Dictionary<string, TimeSpan> _policies = new(StringComparer.Ordinal);
    private readonly List<ClientIdSource> _sources = [];
    private readonly List<string> _prefixes = [];
    private (int BitsOfIPv6, string Prefix) _address = (64, "address:");

    /// <summary>
    /// The policy of endpoints without <c>RequireRateLimiting</c> or <c>[EnableRateLimiting]</c>, and of requests without an endpoint.
    /// Null (the default): these are not limited.
    /// </summary>
    public string? DefaultPolicy { get; set; }

    /// <summary>The maximum time a request waits for the cluster. Default: 1 second.</summary>
    /// <inheritdoc cref="GrainRateLimiterOptions.CallTimeout" path="/value"/>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The decision for requests while the cluster does not answer. Default: <see cref="WhenUnreachable.Allow"/>.</summary>
    public WhenUnreachable WhenUnreachable { get; set; }

    /// <summary>
    /// The policy by which requests are also charged to their address, if their client id is chosen by the caller and not verified
    /// (<see cref="ClientIdFromHeader(string, string)"/>), or missing. It bounds what a caller gains from new ids: allow several times
    /// the limit of one client. Null (the default): none.
    /// </summary>
    public string? AddressPolicy { get; set; }

    /// <inheritdoc cref="GrainRateLimiterOptions.MaxQueued"/>
    public int MaxQueued { get; set; } = 10_000;

    /// <summary>
    /// The client id shared by all requests for which no source finds one. Null: these are not limited, so a caller can bypass the
    /// limits by omitting its id. Default: "anonymous".
    /// </summary>
    public string? SharedClientId { get; set; } = "anonymous";

    /// <summary>
    /// Whether responses carry <c>RateLimit</c> and <c>RateLimit-Policy</c>. Denials always carry <c>Retry-After</c>. Default: true.
    /// </summary>
    public bool WritesHeaders { get; set; } = true;

    /// <summary>
    /// Whether the header <c>RateLimit</c> marks requests that only a policy in shadow mode would have denied, with the parameter
    /// <c>actors-shadow-denial</c>. They are counted in any case (<see cref="RateLimitClientTelemetry.Decisions"/>). Default: false.
    /// </summary>
    public bool ShowsShadowDenials { get; set; }

    internal IReadOnlyDictionary<string, TimeSpan> Policies => _policies;

    internal IReadOnlyList<ClientIdSource> Sources => _sources;

    /// <summary>Makes a policy of the cluster available to endpoints.</summary>
    /// <param name="name">The name of the policy in the cluster.</param>
    /// <param name="maxWait">
    /// The maximum time a request waits for its turn before it is denied; 0 to <see cref="RateLimits.MaxWait"/>. Default: zero.
    /// </param>
    /// <exception cref="InvalidRateLimitException">The name is invalid, or the wait is out of range.</exception>
    public ActorsRateLimitingOptions AddPolicy(string name, TimeSpan maxWait = default)
    {
        RateLimits.Validate(new RateLimitRequest { Policy = name, MaxWait = maxWait });
        _policies[name] = maxWait;
        return this;
    }

    /// <summary>
    /// Takes the client id from a header without verifying it. The caller chooses the value, and each new value is a new client with
    /// its own limits: reject unknown keys before the limiter, set <see cref="AddressPolicy"/>, or use the overload that verifies.
    /// </summary>
    /// <param name="name">The name of the header.</param>
    /// <param name="prefix">Prepended to the hash, so that ids from different sources cannot collide.</param>
    /// <inheritdoc cref="ClientIdFromHeader(string, Func{HttpContext, string, bool}, string)"/>
    public ActorsRateLimitingOptions ClientIdFromHeader(string name, string prefix = "key:") =>
        FromHeader(name, isKnown: null, prefix);

    /// <summary>
    /// Takes the client id from a header that holds an API key. The key is hashed (<see cref="ClientIds.OfApiKey"/>). A header that
    /// occurs more than once, contains a comma, or holds an unknown key is ignored, and the next source is tried.
    /// </summary>
    /// <param name="name">The name of the header.</param>
    /// <param name="isKnown">Returns whether the key was issued. Called for each request; must be fast.</param>
    /// <param name="prefix">Prepended to the hash, so that ids from different sources cannot collide.</param>
    /// <exception cref="ArgumentException">The prefix overlaps with that of another source.</exception>
    public ActorsRateLimitingOptions ClientIdFromHeader(
        string name, Func<HttpContext, string, bool> isKnown, string prefix = "key:")
    {
        ArgumentNullException.ThrowIfNull(isKnown);
        return FromHeader(name, isKnown, prefix);
    }

    /// <summary>Takes the client id from a claim of an authenticated user; authentication must run before the limiter.</summary>
    /// <param name="type">The type of the claim, e.g. "sub".</param>
    /// <param name="prefix">Prepended to the value, so that ids from different sources cannot collide.</param>
    /// <exception cref="ArgumentException">The prefix overlaps with that of another source.</exception>
    public ActorsRateLimitingOptions ClientIdFromClaim(string type, string prefix = "user:")
    {
        ArgumentException.ThrowIfNullOrEmpty(type);
        AddPrefix(prefix);
        return Add(isTrusted: true, context => new(Prefixed(prefix, ClaimOf(context, type))));
    }

    /// <summary>
    /// Takes the client id from the address of the connection. Behind a proxy, this is the proxy's address, and all callers share its
    /// limits: put <c>UseForwardedHeaders</c> before the limiter, configured with the trusted proxies.
    /// </summary>
    /// <param name="bitsOfIPv6">
    /// The number of significant bits of an IPv6 address, 1 to 128. Default: 64, the smallest network of a subscriber; many have 56
    /// or 48.
    /// </param>
    /// <param name="prefix">Prepended to the address, so that ids from different sources cannot collide.</param>
    /// <exception cref="ArgumentException">The prefix overlaps with that of another source.</exception>
    public ActorsRateLimitingOptions ClientIdFromAddress(int bitsOfIPv6 = 64, string prefix = "address:")
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bitsOfIPv6, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bitsOfIPv6, 128);
        AddPrefix(prefix);
        _address = (bitsOfIPv6, prefix);
        return Add(isTrusted: true, context => new(AddressOf(context)));
    }

    /// <summary>
    /// Takes the client id from the request by a custom function, which returns null or empty if it finds none. The first source
    /// with an id wins. An id that is too long or ill-formed is replaced by its hash.
    /// </summary>
    /// <remarks>
    /// The caller must not be able to vary the id. For a header, query parameter or cookie, use <see cref="ClientIds.Only"/>, never
    /// the text of all values.
    /// </remarks>
    public ActorsRateLimitingOptions ClientIdFrom(Func<HttpContext, string?> source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return Add(isTrusted: true, context => new(source(context)));
    }

    /// <summary>The id of a request's remote address; null if there is none, as on a Unix socket.</summary>
    internal string? AddressOf(HttpContext context) =>
        HttpClientId.OfAddress(context.Connection.RemoteIpAddress, _address.BitsOfIPv6) is { } address ? _address.Prefix + address : null;

    /// <summary>The options for calls to the cluster.</summary>
    internal GrainRateLimiterOptions ToLimiterOptions() =>
        new() { CallTimeout = CallTimeout, WhenUnreachable = WhenUnreachable, MaxQueued = MaxQueued };

    // Only authenticated identities count: a user may have others as well.
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

    // Otherwise a caller could forge the id of one source in another.
    private void AddPrefix(string prefix)
    {
        ArgumentException.ThrowIfNullOrEmpty(prefix);
        var other = _prefixes.Find(each => each.StartsWith(prefix, StringComparison.Ordinal) || prefix.StartsWith(each, StringComparison.Ordinal));
        if (other is not null)
        {
            throw new ArgumentException(
                $"Prefix '{prefix}' overlaps with prefix '{other}' of another source of client ids; no prefix may begin with another one.",
                nameof(prefix));
        }

        _prefixes.Add(prefix);
    }
}
