namespace Actors;

/// <summary>
/// The decision for a caller if the cluster does not answer in time. Not for an overloaded limiter: it has answered, and always
/// denies.
/// </summary>
public enum WhenUnreachable
{
    /// <summary>
    /// The request is allowed; a limiter outage must not take the app down. There is no limit while the cluster answers no client.
    /// If only the limiter of this client does not answer, the last known limits apply, counted in this process.
    /// </summary>
    Allow = 0,

    /// <summary>The request is denied.</summary>
    Deny = 1,
}
