namespace Actors;

/// <summary>
/// Redis or the silos do not answer. At the start, the message names which, and their addresses. For a call: no silo was
/// reachable, the silo that received the call ended, or there was no answer within
/// <see cref="ActorsClientOptions.ResponseTimeout"/>.
/// </summary>
public sealed class ClusterUnreachableException(string message, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>
    /// False if the call certainly did nothing. True if it may have taken effect, or may still do so: retry a write with the same
    /// <see cref="WriteOptions.RequestId"/>, and it counts once.
    /// </summary>
    public bool MayHaveTakenEffect { get; init; }

    /// <summary>True if the client could not connect when the app started.</summary>
    internal bool IsOfStart { get; init; }

    /// <summary>
    /// At the start only the message: an app that cannot start prints this, and the stack trace of the host's start adds nothing.
    /// <see cref="Exception.InnerException"/> has the cause.
    /// </summary>
    public override string ToString() => IsOfStart ? Message : base.ToString();
}
