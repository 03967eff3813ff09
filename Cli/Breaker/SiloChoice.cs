using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Breaker;

/// <summary><c>SILO|--all</c>: which silos a command is about.</summary>
internal sealed class SiloChoice
{
    private readonly Argument<string?> _silo = new("SILO")
    {
        Description =
            "The silo's address as 'breaker list' shows it, or a part that only one has: its port, host:port, its beginning.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<bool> _all = new("--all") { Description = "Every silo of the cluster." };

    public void AddTo(Command command)
    {
        command.Add(_silo);
        command.Add(_all);
    }

    public bool IsAll(ParseResult parsed) => parsed.GetValue(_all);

    /// <summary>Wrong with any cluster, so told before a connection is sought.</summary>
    /// <exception cref="UsageException">Neither is given, or both are.</exception>
    public void Check(ParseResult parsed)
    {
        var silo = parsed.GetValue(_silo);
        if (IsAll(parsed) && silo is not null)
            throw new UsageException($"'{Text.Short(silo)}' and --all contradict each other; allowed is one of SILO and --all");
        if (!IsAll(parsed) && silo is null)
            throw new UsageException("which silo? allowed is one of SILO and --all");
    }

    /// <summary>The silos chosen; never none.</summary>
    /// <exception cref="UsageException">SILO names no silo, or several.</exception>
    public IReadOnlyList<SiloReport> Of(ClusterStatus status, ParseResult parsed)
    {
        if (IsAll(parsed))
            return status.Silos;
        var given = parsed.GetValue(_silo)!;
        return Find(status.Silos, given) switch
        {
            [var only] => [only],
            [] => throw new UsageException($"'{Text.Short(given)}' names no silo; allowed are {Names(status.Silos)}"),
            var several => throw new UsageException($"'{Text.Short(given)}' names several silos; allowed are {Names(several)}"),
        };
    }

    // Whole parts only, and before beginnings: a port must not be taken for a piece of another silo's generation, nor
    // 127.0.0.1:1111 be ambiguous because there is a 127.0.0.1:11111.
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

    // The brackets of an IPv6 address may be left out.
    private static string Plain(string name) =>
        name.Replace("[", "", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal);

    private static string Names(IEnumerable<SiloReport> silos) => string.Join(", ", silos.Select(silo => silo.Silo));
}
