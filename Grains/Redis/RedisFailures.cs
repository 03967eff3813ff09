using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>Tells an unavailable Redis from a call that was wrong, which is a defect of ours and no outage.</summary>
public static class RedisFailures
{
    // Answers of a reachable server that cannot serve: loading, demoted, cut off from its primary, full, or busy. It gives them
    // before it executes anything.
    private static readonly string[] Refusals =
        ["LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "OOM", "MISCONF", "BUSY", "NOREPLICAS", "TRYAGAIN"];

    // The refusals that end by themselves, or with another server at the same address.
    private static readonly string[] NotReady = ["LOADING", "READONLY", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN"];

    // The refusals that only a replica gives.
    private static readonly string[] Replica = ["READONLY", "MASTERDOWN"];

    // The server refuses until an operator grants the right or enables the command.
    private static readonly string[] Rights = ["NOPERM", "NOAUTH", "WRONGPASS"];
    private static readonly string[] Missing =
        ["ACL failure in script", "can't run this command", "unknown command", "Unknown Redis command", "unknown subcommand"];

    // The prefix that servers before 7.0 add to errors of commands inside a script.
    private const string InScript = "ERR Error running script";

    /// <summary>True if the server cannot be reached or cannot serve yet. A wrong password or a missing right does not count.</summary>
    public static bool IsAway(Exception error) => error switch
    {
        RedisConnectionException connection => connection.FailureType != ConnectionFailureType.AuthenticationFailure,
        TimeoutException => true,
        RedisServerException server => StartsWithOne(server, NotReady),
        _ => false,
    };

    /// <summary>True if the fault lies with Redis or the network.</summary>
    internal static bool IsUnavailability(Exception error) => error switch
    {
        RedisConnectionException or RedisTimeoutException or TimeoutException
            or ObjectDisposedException or OperationCanceledException or UnconfirmedException => true,
        RedisServerException server => StartsWithOne(server, Refusals) || IsStructural(server),
        _ => false,
    };

    /// <summary>
    /// True if the server refuses because a right or a command is missing. This does not end by itself, and it affects every
    /// call of the same kind.
    /// </summary>
    internal static bool IsStructural(Exception error) => error is RedisServerException server
        && (StartsWithOne(server, Rights) || Array.Exists(Missing, words => server.Message.Contains(words, StringComparison.Ordinal)));

    /// <summary>True if the server answered that it is a replica, so another server is the primary.</summary>
    internal static bool IsReplica(Exception error) => error is RedisServerException server && StartsWithOne(server, Replica);

    /// <summary>The exception type that the rest of the silo handles.</summary>
    internal static RedisUnavailableException Unavailable(RedisRole role, Exception error) => new(role, Reason(error), MayHaveHappened(error));

    /// <summary>The reason, in one line.</summary>
    public static string Reason(Exception error) => error switch
    {
        TimeoutException and not RedisTimeoutException => "no answer in time",
        OperationCanceledException => "no answer, and the circuit has opened",
        _ => PrintableText.Of(FirstSentence(error.Message)),
    };

    /// <summary>False if the server certainly did not execute any part of the call.</summary>
    internal static bool MayHaveHappened(Exception error) => error switch
    {
        // A script may have written before it failed. A server that cannot serve, or that denies the script, says so before it
        // executes anything.
        RedisServerException server => !StartsWithOne(server, Refusals)
            && (!StartsWithOne(server, Rights) || server.Message.Contains("script", StringComparison.OrdinalIgnoreCase)),
        RedisConnectionException connection => connection.CommandStatus is not (CommandStatus.WaitingToBeSent or CommandStatus.WaitingInBacklog),
        RedisTimeoutException timeout => timeout.Commandstatus is not (CommandStatus.WaitingToBeSent or CommandStatus.WaitingInBacklog),
        _ => true,
    };

    // Compares the whole first word, because BUSYGROUP and BUSYKEY are answers to the call itself.
    private static bool StartsWithOne(RedisServerException error, string[] codes)
    {
        var message = error.Message.AsSpan();
        if (message.StartsWith(InScript, StringComparison.Ordinal))
        {
            // "…: @user_script: 1: -READONLY You can't …"
            var code = message.IndexOf(": -", StringComparison.Ordinal);
            if (code < 0) return false;
            message = message[(code + 3)..];
        }

        var end = message.IndexOf(' ');
        if (end >= 0) message = message[..end];
        foreach (var code in codes)
        {
            if (message.SequenceEqual(code)) return true;
        }

        return false;
    }

    // The driver appends its internal state.
    private static string FirstSentence(string message)
    {
        var end = message.AsSpan().IndexOfAny(";\r\n");
        if (end >= 0) message = message[..end];
        var state = message.IndexOf(", mc: ", StringComparison.Ordinal);
        return (state < 0 ? message : message[..state]).TrimEnd('.', ' ');
    }
}
