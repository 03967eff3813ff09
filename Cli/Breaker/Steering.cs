using Actors.Cli.Commands;
using Actors.Cli.Connection;
using Actors.Cli.Output;

namespace Actors.Cli.Breaker;

/// <summary>What is done to a breaker.</summary>
/// <param name="Doing">How it is told while it may fail: "isolating".</param>
/// <param name="Done">How it is told once it is done: "isolated".</param>
/// <param name="CallAsync">Does it.</param>
internal sealed record Steer(string Doing, string Done, Func<IRedisBreakerGrain, CancellationToken, Task> CallAsync);

/// <summary>What steering the breaker of one silo came to.</summary>
/// <param name="Silo">The silo's address.</param>
/// <param name="Before">The breaker as it was; null where the silo did not tell.</param>
/// <param name="IsDone">True once the silo has confirmed it.</param>
/// <param name="After">The breaker as it is then; null where that is not known.</param>
/// <param name="Error">What went wrong, or null.</param>
internal sealed record Steered(string Silo, BreakerSnapshot? Before, bool IsDone, BreakerSnapshot? After, Exception? Error);

/// <summary>Steers the breakers of several silos at once; what goes wrong with one keeps no other from being steered.</summary>
internal static class Steering
{
    public static Task<Steered[]> RunAsync(
        ICluster cluster, IEnumerable<SiloReport> silos, Steer steer, CancellationToken cancellationToken) =>
        Task.WhenAll(silos.Select(silo => RunAsync(cluster.Breaker(silo.Silo), silo, steer, cancellationToken)));

    /// <summary>The result as a line; what went wrong goes to <see cref="WriteErrors"/>.</summary>
    public static string Describe(Steered steered, Steer steer)
    {
        var before = steered.Before is { } known ? BreakerText.States(known) : "in an unknown state";
        var after = steered.After is { } then ? BreakerText.States(then) : "in an unknown state";

        // A circuit that is closed by hand may have opened again by now.
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
    /// The first failure decides. Of all silos, one that has left meanwhile is none: nothing of it is left to steer.
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
