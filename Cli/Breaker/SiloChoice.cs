using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Breaker;

/// <summary><c>SILO|--all</c>: the silos that a command applies to.</summary>
internal sealed class SiloChoice
{
    private readonly Argument<string?> _silo = new("SILO")
    {
        Description =
            "The silo's address as in 'breaker list', or a unique part of it: port, host:port, or prefix.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<bool> _all = new("--all") { Description = "Every silo of the cluster." };

    public void AddTo(Command command)
    {
        command.Add(_silo);
        command.Add(_all);
    }

    public bool IsAll(ParseResult parsed) => parsed.GetValue(_all);

    /// <summary>Checked before connecting, because the choice is invalid for any cluster.</summary>
    /// <exception cref="UsageException">Neither or both are given.</exception>
    public void Check(ParseResult parsed)
    {
        var silo = parsed.GetValue(_silo);
        if (IsAll(parsed) && silo is not null)
            throw new UsageException($"'{Text.Short(silo)}' and --all contradict each other; use either SILO or --all");
        if (!IsAll(parsed) && silo is null)
            throw new UsageException("no silo given; use SILO or --all");
    }

    /// <summary>The chosen silos; never empty.</summary>
    /// <exception cref="UsageException">SILO matches no silo or several.</exception>
    public IReadOnlyList<SiloReport> Of(ClusterStatus status, ParseResult parsed)
    {
        if (IsAll(parsed))
            return status.Silos;
        var given = parsed.GetValue(_silo)!;
        return Find(status.Silos, given) switch
        {
            [var only] => [only],
            [] => throw new UsageException($"'{Text.Short(given)}' matches no silo; silos are {Names(status.Silos)}"),
            var several => throw new UsageException($"'{Text.Short(given)}' matches several silos: {Names(several)}"),
        };
    }

    // Match whole parts before prefixes: a port must not match part of another silo's generation, and 127.0.0.1:1111 must not
    // be ambiguous with 127.0.0.1:11111.
    private static SiloReport[] Find(SiloReport[] silos, string given)
    {
        if (given.Length == 0)
            return [];
        given = Plain(given);
        Func<SiloReport, bool>[] readings =
        [
            silo => Plain(silo.Silo) == given,
            silo => Endpoint(silo) == given,
            silo => Endpoint(silo).LastIndexOf(':') is >= 0 and var colon
                && (Endpoint(silo)[..colon] == given || Endpoint(silo)[(colon + 1)..] == given),
            silo => Plain(silo.Silo).StartsWith(given, StringComparison.Ordinal),
        ];
        return readings.Select(reading => silos.Where(reading).ToArray()).FirstOrDefault(found => found.Length > 0) ?? [];
    }

    private static string Endpoint(SiloReport silo) => Plain(silo.Silo).Split('@')[0];

    // The brackets of an IPv6 address are optional.
    private static string Plain(string name) =>
        name.Replace("[", "", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal);

    private static string Names(IEnumerable<SiloReport> silos) => string.Join(", ", silos.Select(silo => silo.Silo));
}
