using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>Tells a Redis that cannot serve from one that was asked something wrong, which is a defect of ours and no outage.</summary>
public static class RedisFailures
{
    // Answers of a server that is there but cannot serve: loading, demoted, cut from its primary, full, or busy. It says so
    // before it does anything.
    private static readonly string[] Refusals =
        ["LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "OOM", "MISCONF", "BUSY", "NOREPLICAS", "TRYAGAIN"];

    // Those of them that pass by themselves, or with another server behind the same address.
    private static readonly string[] NotReady = ["LOADING", "READONLY", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN"];

    // Those that only a replica gives.
    private static readonly string[] Replica = ["READONLY", "MASTERDOWN"];

    // The server is there and will go on refusing until someone gives the user a right, or the server a command.
    private static readonly string[] Rights = ["NOPERM", "NOAUTH", "WRONGPASS"];
    private static readonly string[] Missing =
        ["ACL failure in script", "can't run this command", "unknown command", "Unknown Redis command", "unknown subcommand"];

    // How a server before 7.0 hands on what a command in a script was answered.
    private const string InScript = "ERR Error running script";

    /// <summary>True where the server is not there, or is and cannot serve yet. A wrong password or a missing right is neither.</summary>
    public static bool IsAway(Exception error) => error switch
    {
        RedisConnectionException connection => connection.FailureType != ConnectionFailureType.AuthenticationFailure,
        TimeoutException => true,
        RedisServerException server => StartsWithOne(server, NotReady),
        _ => false,
    };

    /// <summary>True where the fault lies with Redis or the way to it.</summary>
    internal static bool IsUnavailability(Exception error) => error switch
    {
        RedisConnectionException or RedisTimeoutException or TimeoutException or ObjectDisposedException or OperationCanceledException or UnconfirmedException => true,
        RedisServerException server => StartsWithOne(server, Refusals) || IsStructural(server),
        _ => false,
    };

    /// <summary>
    /// True if the server refuses because a right or a command is missing. It does not pass by itself, and it is the same for
    /// every call of its kind.
    /// </summary>
    internal static bool IsStructural(Exception error) => error is RedisServerException server
        && (StartsWithOne(server, Rights) || Array.Exists(Missing, words => server.Message.Contains(words, StringComparison.Ordinal)));

    /// <summary>True where the server has answered that it is a replica, so that another one is the primary.</summary>
    internal static bool IsReplica(Exception error) => error is RedisServerException server && StartsWithOne(server, Replica);

    /// <summary>The error that the rest of the silo knows.</summary>
    internal static RedisUnavailableException Unavailable(RedisRole role, Exception error) => new(role, Reason(error), MayHaveHappened(error));

    /// <summary>Why, in a line.</summary>
    public static string Reason(Exception error) => error switch
    {
        TimeoutException and not RedisTimeoutException => "no answer in time",
        OperationCanceledException => "no answer, and the circuit has opened",
        _ => PrintableText.Of(FirstSentence(error.Message)),
    };

    /// <summary>False if the server certainly did nothing of what was asked.</summary>
    internal static bool MayHaveHappened(Exception error) => error switch
    {
        // A script may have written before it met the error. A server that cannot serve, or does not let the user run the script,
        // says so before anything else.
        RedisServerException server => !StartsWithOne(server, Refusals)
            && (!StartsWithOne(server, Rights) || server.Message.Contains("script", StringComparison.OrdinalIgnoreCase)),
        RedisConnectionException connection => connection.CommandStatus is not (CommandStatus.WaitingToBeSent or CommandStatus.WaitingInBacklog),
        RedisTimeoutException timeout => timeout.Commandstatus is not (CommandStatus.WaitingToBeSent or CommandStatus.WaitingInBacklog),
        _ => true,
    };

    // By the whole first word: BUSYGROUP and BUSYKEY are answers to what was asked.
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

    // The driver appends its whole state.
    private static string FirstSentence(string message)
    {
        var end = message.AsSpan().IndexOfAny(";\r\n");
        if (end >= 0) message = message[..end];
        var state = message.IndexOf(", mc: ", StringComparison.Ordinal);
        return (state < 0 ? message : message[..state]).TrimEnd('.', ' ');
    }
}
