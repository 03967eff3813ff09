using Actors.Cli.Commands;
using Actors.Cli.Connection;
using Actors.Cli.Output;

namespace Actors.Cli.Breaker;

/// <summary>An operation on a breaker.</summary>
/// <param name="Doing">Its name in progress: "isolating".</param>
/// <param name="Done">Its name when done: "isolated".</param>
/// <param name="CallAsync">Runs the operation.</param>
internal sealed record Steer(string Doing, string Done, Func<IRedisBreakerGrain, CancellationToken, Task> CallAsync);

/// <summary>The result of an operation on one silo's breaker.</summary>
/// <param name="Silo">The silo's address.</param>
/// <param name="Before">The breaker before the operation; null if the silo did not report it.</param>
/// <param name="IsDone">True if the silo has confirmed the operation.</param>
/// <param name="After">The breaker after the operation; null if unknown.</param>
/// <param name="Error">The failure, or null.</param>
internal sealed record Steered(string Silo, BreakerSnapshot? Before, bool IsDone, BreakerSnapshot? After, Exception? Error);

/// <summary>Runs an operation on several silos concurrently; a failure on one does not affect the others.</summary>
internal static class Steering
{
    public static Task<Steered[]> RunAsync(
        ICluster cluster, IEnumerable<SiloReport> silos, Steer steer, CancellationToken cancellationToken) =>
        Task.WhenAll(silos.Select(silo => RunAsync(cluster.Breaker(silo.Silo), silo, steer, cancellationToken)));

    /// <summary>Writes the result as a line; failures go to <see cref="WriteErrors"/>.</summary>
    public static string Describe(Steered steered, Steer steer)
    {
        var before = steered.Before is { } known ? BreakerText.States(known) : "in an unknown state";
        var after = steered.After is { } then ? BreakerText.States(then) : "in an unknown state";

        // A circuit closed by hand may have opened again already.
        var outcome = after == steer.Done ? after : $"{steer.Done}, now {after}";
        return Text.Printable($"{steered.Silo}: {outcome}{(before == after ? ", as before" : $"; was {before}")}");
    }

    public static void WriteErrors(IEnumerable<Steered> all, Steer steer, Terminal terminal)
    {
        foreach (var steered in all)
        {
            var tried = steered.IsDone ? $"{steer.Done}, but reading the state" : steer.Doing;
            if (steered.Error is { } error)
                terminal.Error($"{steered.Silo}: {tried} failed: {Failure.Of(error).Message}");
        }
    }

    public static object Json(IEnumerable<Steered> all, DateTimeOffset now) => new
    {
        Silos = all.Select(steered => new
        {
            steered.Silo,
            steered.IsDone,
            Before = steered.Before?.State,
            Breaker = steered.After is { } breaker ? BreakerJson.Of(breaker, now) : null,
            Error = steered.Error is { } error ? Failure.Of(error).Message : null,
        }),
    };

    /// <summary>
    /// The first failure decides. With --all, a silo that has left meanwhile is ignored, because it has no breaker any more.
    /// </summary>
    public static int Outcome(IEnumerable<Steered> all, bool isAll) => all
        .Select(steered => steered.Error)
        .OfType<Exception>()
        .Where(error => !isAll || error is not SiloNotFoundException)
        .Select(error => Failure.Of(error).ExitCode)
        .FirstOrDefault(ExitCode.Done);

    private static async Task<Steered> RunAsync(
        IRedisBreakerGrain breaker, SiloReport silo, Steer steer, CancellationToken cancellationToken)
    {
        var isDone = false;
        try
        {
            await steer.CallAsync(breaker, cancellationToken);
            isDone = true;
            return new(silo.Silo, silo.Breaker, isDone, await breaker.GetAsync(cancellationToken), null);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            return new(silo.Silo, silo.Breaker, isDone, null, e);
        }
    }
}
