namespace Actors.Resilience;

/// <summary>What failed about Redis, for people.</summary>
internal static class RedisFailures
{
    /// <summary>The first sentence of a message: StackExchange.Redis appends its whole state.</summary>
    public static string FirstSentence(Exception error)
    {
        var end = error.Message.AsSpan().IndexOfAny(';', '\n');
        return (end < 0 ? error.Message : error.Message[..end]).TrimEnd('.', ' ');
    }
}
