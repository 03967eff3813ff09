namespace Actors.Cli.Load;

/// <summary>Counts the decisions of limiters. Thread-safe.</summary>
internal sealed class DecisionMeter
{
    public const string Allowed = "allowed";
    public const string Denied = "denied";
    public const string AllowedLocally = "allowedLocally";
    public const string DeniedLocally = "deniedLocally";

    // Changed by Interlocked only.
    private long _allowed;
    private long _denied;
    private long _local;
    private long _shadowDenied;
    private long _permits;

    /// <summary>A snapshot. Calls that end meanwhile may be in only some of its values.</summary>
    public DecisionCounts Counts => new(
        Interlocked.Read(ref _allowed), Interlocked.Read(ref _denied), Interlocked.Read(ref _local),
        Interlocked.Read(ref _shadowDenied), Interlocked.Read(ref _permits));

    /// <summary>Counts a decision on this many permits. Returns its name in a timeline.</summary>
    public string Note(RateLimitDecision decision, int permits)
    {
        var isLocal = decision.Source == RateLimitSource.Local;
        if (isLocal)
            Interlocked.Increment(ref _local);
        if (decision.IsShadowDenial)
            Interlocked.Increment(ref _shadowDenied);
        else if (decision.IsAllowed)
            Interlocked.Add(ref _permits, permits);
        if (decision.IsAllowed)
        {
            Interlocked.Increment(ref _allowed);
            return isLocal ? AllowedLocally : Allowed;
        }
        Interlocked.Increment(ref _denied);
        return isLocal ? DeniedLocally : Denied;
    }
}

/// <summary>The number of decisions by outcome.</summary>
/// <param name="Allowed">Granted calls.</param>
/// <param name="Denied">Denied calls.</param>
/// <param name="Local">Calls of both kinds that were decided without Redis.</param>
/// <param name="ShadowDenied">Calls granted only because the policy is in shadow mode.</param>
/// <param name="Permits">Charged permits.</param>
internal readonly record struct DecisionCounts(long Allowed, long Denied, long Local, long ShadowDenied, long Permits);
