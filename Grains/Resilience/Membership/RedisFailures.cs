using StackExchange.Redis;

namespace Actors.Resilience;

/// <summary>Tells what passes by itself from what an operator has to mend, where Redis does not do what was asked.</summary>
public static class RedisFailures
{
    // Answers of a server that will serve in a while.
    private static readonly string[] NotReady = ["LOADING", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN"];

    /// <summary>True where the server is not there, or is and cannot serve yet. A wrong password or a missing right is neither.</summary>
    public static bool IsAway(Exception error) => error switch
    {
        RedisConnectionException connection => connection.FailureType != ConnectionFailureType.AuthenticationFailure,
        TimeoutException => true,
        RedisServerException server => NotReady.Any(prefix => server.Message.StartsWith(prefix, StringComparison.Ordinal)),
        _ => false,
    };

    /// <summary>The first sentence of a message: StackExchange.Redis appends its whole state.</summary>
    public static string FirstSentence(Exception error)
    {
        var end = error.Message.AsSpan().IndexOfAny(';', '\n');
        return (end < 0 ? error.Message : error.Message[..end]).TrimEnd('.', ' ');
    }
}
