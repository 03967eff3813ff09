using Actors.Cli.Output;

namespace Actors.Cli.Breaker;

/// <summary>Texts about breakers that several views share.</summary>
internal static class BreakerText
{
    /// <summary>The state of the breaker, or of each circuit if they differ.</summary>
    public static string States(BreakerSnapshot breaker) =>
        breaker.Circuits.DistinctBy(circuit => circuit.State).Count() == 1
            ? Text.Of(breaker.State)
            : string.Join(", ", breaker.Circuits.Select(circuit => $"{Text.Of(circuit.State)} ({Roles(circuit.Roles)})"));

    public static string Roles(IEnumerable<string> roles) => string.Join(", ", roles);

    /// <summary>One latency; "-" if there were no calls.</summary>
    public static string Latency(LatencySnapshot latency, Func<LatencySnapshot, TimeSpan> figure) =>
        latency.Calls == 0 ? "-" : Text.Of(figure(latency));

    /// <summary>The colour of a state, as Spectre names it.</summary>
    public static string Colour(BreakerState state) => state switch
    {
        BreakerState.Closed => "green",
        BreakerState.HalfOpen => "yellow",
        BreakerState.Open => "red",
        _ => "magenta",
    };

    /// <summary>The time between two moments; never negative, because the silos' clocks may differ from this one.</summary>
    public static TimeSpan Between(DateTimeOffset start, DateTimeOffset end) => start < end ? end - start : TimeSpan.Zero;
}
