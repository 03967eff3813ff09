using System.Net.Sockets;
using StackExchange.Redis;

namespace Actors;

/// <summary>Redis has not answered yet, and other gateways are known.</summary>
internal sealed class RedisSlowException(TimeSpan waited) : RedisException($"has not answered within {waited.TotalSeconds} s");

/// <summary>Explains in plain words why Redis does not list the silos.</summary>
internal static class RedisFailure
{
    /// <summary>True if a retry is useless: Redis refuses this user or password.</summary>
    public static bool IsRefusal(Exception error) =>
        error is RedisConnectionException { FailureType: ConnectionFailureType.AuthenticationFailure };

    /// <summary>The failure as a sentence without its full stop; null if Redis is not the cause.</summary>
    public static string? Explain(Exception error, ClusterLocation location)
    {
        var redis = $"Redis at {location.Address} (from {location.Source})";
        return error switch
        {
            _ when IsRefusal(error) => $"{redis} refuses the user name or password",
            RedisSlowException => $"{redis} {error.Message}",
            RedisServerException server => $"{redis} answered: {server.Message}",
            RedisConnectionException connection => $"{redis} cannot be reached: {Reason(connection)}",
            RedisTimeoutException or RedisException => $"{redis} does not answer",
            _ => null,
        };
    }

    /// <summary>The network's error message, if there is one.</summary>
    public static string Reason(RedisConnectionException exception)
    {
        for (Exception? inner = exception; inner is not null; inner = inner.InnerException)
        {
            if (inner is SocketException { Message: var message })
                return message;
        }
        return exception.FailureType.ToString();
    }
}
