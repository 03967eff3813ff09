namespace Actors;

/// <summary>
/// What is decided for a caller if the cluster does not answer in time. An overloaded limiter has answered: it denies, whatever
/// is chosen here.
/// </summary>
public enum WhenUnreachable
{
    /// <summary>
    /// The request is allowed, so that an outage of the limiter does not take the app down: without a limit while the cluster
    /// answers nobody; by the last known limits, counted in this process, if only the limiter of this client does not answer.
    /// </summary>
    Allow = 0,

    /// <summary>It is denied.</summary>
    Deny = 1,
}
