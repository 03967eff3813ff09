namespace Actors;

/// <summary>
/// The call met an error that the actors do not expect, which is a defect. The log of the silo has the error itself, under the
/// event <c>UnexpectedError</c>.
/// </summary>
[GenerateSerializer, Alias("Actors.UnexpectedErrorException")]
public sealed class UnexpectedErrorException(string message) : ActorsException(message)
{
    /// <inheritdoc cref="StorageUnavailableException.MayHaveTakenEffect"/>
    [Id(0)] public bool MayHaveTakenEffect { get; init; }
}
