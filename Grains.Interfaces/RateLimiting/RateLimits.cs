using System.Buffers;

namespace Actors;

/// <summary>The bounds of rate-limiting inputs. Sizes are bytes of UTF-8.</summary>
public static class RateLimits
{
    /// <summary>The policy used by default: "default".</summary>
    public const string DefaultPolicy = "default";

    /// <summary>A client id: 1 to 512 bytes, no NUL, not blank.</summary>
    public const int MaxIdBytes = 512;

    /// <summary>The name of a policy: 1 to 64 letters, digits, dots, dashes and underscores.</summary>
    public const int MaxPolicyName = 64;

    /// <summary>Windows of one policy: up to 8.</summary>
    public const int MaxWindows = 8;

    /// <summary>The limit of a window: up to 1,000,000 permits.</summary>
    public const int MaxLimit = 1_000_000;

    /// <summary>Policies specific to one client: up to 16.</summary>
    public const int MaxOwnPolicies = 16;

    /// <summary>A request id: 1 to 64 bytes.</summary>
    public const int MaxRequestIdBytes = 64;

    /// <summary>How many recent request ids of a client are remembered: 10,000.</summary>
    public const int RememberedRequests = 10_000;

    /// <summary>Requests in one call of <see cref="IRateLimiterGrain.AcquireManyAsync"/>: up to 1000.</summary>
    public const int MaxBatch = 1000;

    /// <summary>The duration of a window: at least 1 ms.</summary>
    public static readonly TimeSpan MinDuration = TimeSpan.FromMilliseconds(1);

    /// <summary>The duration of a window: at most 31 days.</summary>
    public static readonly TimeSpan MaxDuration = TimeSpan.FromDays(31);

    /// <summary>The maximum wait of a call: 20 seconds, less than the default call timeout.</summary>
    public static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(20);

    /// <summary>How long a request id is remembered: 10 minutes.</summary>
    public static readonly TimeSpan RequestIdMemory = TimeSpan.FromMinutes(10);

    private static readonly SearchValues<char> NameCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");

    /// <summary>Checks a client id.</summary>
    /// <exception cref="InvalidRateLimitException">
    /// The id is not 1 to <see cref="MaxIdBytes"/> bytes of text without NUL, or is blank (all white space).
    /// </exception>
    public static void ValidateId(string? id)
    {
        if (WellFormedText.ProblemOfId(id, MaxIdBytes) is { } problem) throw new InvalidRateLimitException($"The client id {problem}");
    }

    /// <summary>Checks everything about a request that does not depend on its policy.</summary>
    /// <exception cref="InvalidRateLimitException">A value is out of bounds; the message says what is allowed.</exception>
    public static void Validate(RateLimitRequest? request)
    {
        if (request is null) throw new InvalidRateLimitException("The request is null; for one permit of the default policy, send an empty one.");
        ValidatePolicyName(request.Policy);
        if (request.Permits is < 1 or > MaxLimit)
            throw new InvalidRateLimitException($"Permits is {request.Permits}; use 1 to the limit of the policy, which is at most {MaxLimit}.");
        if (request.RequestId is not null) ValidateRequestId(request.RequestId);
        if (request.MaxWait < TimeSpan.Zero || request.MaxWait > MaxWait)
            throw new InvalidRateLimitException($"MaxWait is {request.MaxWait}; use {TimeSpan.Zero} to {MaxWait}.");
    }

    /// <summary>Checks a policy.</summary>
    /// <exception cref="InvalidRateLimitException">A value is out of bounds; the message says what is allowed.</exception>
    public static void Validate(RateLimitPolicy? policy)
    {
        if (policy is null) throw new InvalidRateLimitException("The policy is null.");
        ValidatePolicyName(policy.Name);
        if (policy.Windows is not { Length: >= 1 and <= MaxWindows })
            throw Invalid($"has {policy.Windows?.Length ?? 0} windows", $"1 to {MaxWindows}");
        if (!Enum.IsDefined(policy.OnRedisDown))
            throw Invalid($"has {(int)policy.OnRedisDown} for OnRedisDown", string.Join(", ", Enum.GetNames<RedisDownBehavior>()));

        var durations = new HashSet<TimeSpan>();
        foreach (var window in policy.Windows)
        {
            if (window is null) throw Invalid("has a window that is null", $"1 to {MaxWindows} windows");
            if (window.Limit is < 1 or > MaxLimit) throw Invalid($"has a window with limit {window.Limit}", $"1 to {MaxLimit}");
            if (window.Duration < MinDuration || window.Duration > MaxDuration)
                throw Invalid($"has a window with duration {window.Duration}", $"{MinDuration} to {MaxDuration}");
            if (!durations.Add(window.Duration)) throw Invalid($"has two windows with duration {window.Duration}", "one for each duration");
        }

        InvalidRateLimitException Invalid(string problem, string allowed) => new($"Policy '{policy.Name}' {problem}; use {allowed}.");
    }

    /// <summary>Checks the name of a policy.</summary>
    /// <exception cref="InvalidRateLimitException">
    /// The name is not 1 to <see cref="MaxPolicyName"/> letters, digits, dots, dashes and underscores.
    /// </exception>
    public static void ValidatePolicyName(string? name)
    {
        if (name is not { Length: >= 1 and <= MaxPolicyName } || name.AsSpan().ContainsAnyExcept(NameCharacters))
        {
            throw new InvalidRateLimitException(
                $"The policy name {(name is null ? "is null" : WellFormedText.Quote(name) + " is invalid")};"
                + $" use 1 to {MaxPolicyName} letters (a to z), digits, dots, dashes and underscores.");
        }
    }

    /// <summary>Checks a request id.</summary>
    /// <exception cref="InvalidRateLimitException">The id is not 1 to <see cref="MaxRequestIdBytes"/> bytes of text without NUL.</exception>
    public static void ValidateRequestId(string? requestId) => ValidateText("The request id", requestId, MaxRequestIdBytes);

    private static void ValidateText(string what, string? text, int maxBytes)
    {
        if (WellFormedText.Problem(text, 1, maxBytes) is { } problem) throw new InvalidRateLimitException($"{what} {problem}");
    }
}
