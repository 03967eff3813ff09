namespace Actors;

/// <summary>
/// The call failed with an unexpected error, which is a defect. The silo's log has the error itself, under the event
/// <c>UnexpectedError</c>.
/// </summary>
[GenerateSerializer, Alias("Actors.UnexpectedErrorException")]
public sealed class UnexpectedErrorException(string message) : ActorsException(message)
{
    /// <inheritdoc cref="StorageUnavailableException.MayHaveTakenEffect"/>
    [Id(0)] public bool MayHaveTakenEffect { get; init; }
}
