namespace Actors;

/// <summary>
/// Redis or the silos do not answer. At the start the message tells which of them, and where they were looked for. Of a call:
/// no silo could be reached, the silo that had the call ended, or there was no answer within
/// <see cref="ActorsClientOptions.ResponseTimeout"/>.
/// </summary>
public sealed class ClusterUnreachableException(string message, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>
    /// False if the call certainly did nothing. True if it may have been carried out, or still may be: make a write again with the
    /// same <see cref="WriteOptions.RequestId"/>, and it counts once.
    /// </summary>
    public bool MayHaveTakenEffect { get; init; }

    /// <summary>True if the client could not connect when the app started.</summary>
    internal bool IsOfStart { get; init; }

    /// <summary>
    /// At the start the message alone: an app that cannot start shows this, and where in the start of the host it happened tells
    /// nothing more. <see cref="Exception.InnerException"/> has the cause.
    /// </summary>
    public override string ToString() => IsOfStart ? Message : base.ToString();
}
