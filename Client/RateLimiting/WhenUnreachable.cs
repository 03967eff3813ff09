namespace Actors;

/// <summary>What is decided for a caller where the cluster does not answer in time.</summary>
public enum WhenUnreachable
{
    /// <summary>It is let past, unlimited: an outage of the limiter is none of the app.</summary>
    Allow = 0,

    /// <summary>It is denied.</summary>
    Deny = 1,
}
