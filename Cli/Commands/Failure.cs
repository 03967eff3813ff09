using System.Data.Common;
using System.Net.Sockets;
using Actors.Cli.Output;
using Microsoft.Extensions.Options;

namespace Actors.Cli.Commands;

/// <summary>Maps an exception to an exit code and a one-line message.</summary>
internal sealed record Failure(int ExitCode, string Message)
{
    public static Failure Of(Exception exception) => exception switch
    {
        CommandFailedException e => new(e.ExitCode, e.Message),
        UsageException e => new(Commands.ExitCode.Usage, e.Message),
        InvalidUserException e => new(Commands.ExitCode.Usage, e.Message),
        InvalidRateLimitException e => new(Commands.ExitCode.Usage, e.Message),
        SiloNotFoundException e => new(Commands.ExitCode.Usage, e.Message),
        InvalidDataException e => new(Commands.ExitCode.Usage, e.Message),
        OptionsValidationException e => new(Commands.ExitCode.Usage, e.Message),
        FileNotFoundException or DirectoryNotFoundException => new(Commands.ExitCode.Usage, exception.Message),
        OverloadedException e => new(Commands.ExitCode.Unavailable, $"{e.Message} Try again in {Text.Of(e.RetryAfter)}."),
        TimeoutException => new(Commands.ExitCode.Unavailable, "the cluster did not answer in time"),
        _ when IsTransient(exception) => new(Commands.ExitCode.Unavailable, exception.Message),
        _ => new(Commands.ExitCode.Failed, exception.Message),
    };

    /// <summary>True if the same call may succeed later: a service is down, overloaded or moving.</summary>
    public static bool IsTransient(Exception exception) => exception switch
    {
        OverloadedException or StorageUnavailableException => true,
        ClusterNotFoundException or ClusterUnreachableException => true,
        OrleansConfigurationException => false,
        TimeoutException or OrleansException or SocketException => true,
        // Npgsql reports a refused connection as transient, and a wrong password as not.
        DbException e => e.IsTransient || e.InnerException is SocketException or TimeoutException,
        _ => false,
    };
}
