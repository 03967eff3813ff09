namespace Actors;

/// <summary>The base of all errors that the grains report; anything else reaching a caller is a defect or Orleans' own.</summary>
[GenerateSerializer, Alias("Actors.ActorsException")]
public abstract class ActorsException(string message, Exception? innerException = null) : Exception(message, innerException);
