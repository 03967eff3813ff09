using Actors.Harness.Limits;

namespace Actors.Fault.Tests.Limits;

/// <summary>Histories constructed by hand.</summary>
internal static class Grants
{
    /// <summary>Their start by the clock of Redis.</summary>
    public const long Start = 1_800_000_000_000_000;

    /// <summary>A grant at this time, requested a millisecond before and answered a millisecond after.</summary>
    public static Grant At(double seconds, int permits = 1, string client = "c") =>
        new(client, "p", permits, Start + (long)Math.Round(seconds * 1e6), "redis", seconds - 0.001, seconds + 0.001);

    /// <summary>The ledger of one process.</summary>
    public static GrantLedger[] Ledger(params IEnumerable<Grant> grants) => [new([.. grants])];

    public static LimitWindow Window(int limit, double seconds) => new(limit, TimeSpan.FromSeconds(seconds));

    /// <summary>A steady interval of these seconds.</summary>
    public static Steady Steady(double from, double until) => new("steady", Start + (long)(from * 1e6), Start + (long)(until * 1e6));
}
