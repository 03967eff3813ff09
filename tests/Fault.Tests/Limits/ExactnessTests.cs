using Actors.Harness.Limits;
using CsCheck;

namespace Actors.Fault.Tests.Limits;

/// <summary>The checker against brute-force checks, with cases that it must and must not report.</summary>
public sealed class ExactnessTests
{
    // Few times and many grants, so that some coincide or lie exactly a window apart.
    private static readonly Gen<Grant> AnyGrant = Gen.Select(
        Gen.Int[0, 60], Gen.Int[1, 5], Gen.Int[0, 4], Gen.Int[0, 4],
        (at, permits, before, after) => new Grant("c", "p", permits, Grants.Start + at, "redis", (at - before) / 1e6, (at + after) / 1e6));

    private static readonly Gen<(Grant[] Grants, int Window)> AnyHistory =
        Gen.Select(AnyGrant.Array[1, 60], Gen.Int[1, 30]);

    [Fact]
    public void Check_by_server_time_matches_a_check_of_every_window() => AnyHistory.Sample((grants, length) =>
    {
        var plain = grants.Max(last => grants
            .Where(grant => grant.At > last.At - length && grant.At <= last.At).Sum(grant => (long)grant.Permits));
        return Exactness.ByServer(grants, Microseconds(length)).Permits == plain;
    });

    [Fact]
    public void Check_by_client_time_matches_a_check_from_every_start() => AnyHistory.Sample((grants, length) =>
    {
        var plain = grants.Max(first => grants
            .Where(grant => grant.Began >= first.Began && Math.Round((grant.Ended - first.Began) * 1e6) < length - 1).Sum(grant => (long)grant.Permits));
        return Exactness.ByCaller(grants, Microseconds(length)).Permits == plain;
    });

    [Fact]
    public void Proven_usage_never_exceeds_that_of_an_exact_server() => AnyHistory.Sample((grants, length) =>
        Exactness.ByCaller(grants, Microseconds(length)).Permits <= Exactness.ByServer(grants, Microseconds(length)).Permits);

    [Fact]
    public void Allowance_matches_a_search_of_every_microsecond() =>
        Gen.Select(Gen.Int[1, 5].Array[1, 40], Gen.Int[5, 12], Gen.Int[1, 20], Gen.Int[5, 30], Gen.Int[21, 90]).Sample(
            (permits, limit, length, secondLimit, secondLength) =>
            {
                LimitWindow[] windows = [new(limit, Microseconds(length).Duration), new(secondLimit, Microseconds(secondLength).Duration)];
                var plain = Plain(permits, windows);
                var needed = Allowance.Of([.. plain], windows, new("all", Grants.Start, plain[^1].At)).Needed;
                return needed == plain[^1].At - Grants.Start && LimitCheck.Run([new(plain)], windows).IsClean;
            });

    [Fact]
    public void Grant_expires_at_exactly_the_window_to_the_microsecond()
    {
        var window = Grants.Window(2, 1);
        Assert.Equal(2, Exactness.ByServer([Grants.At(0), Grants.At(0.5), Grants.At(1)], window).Permits);
        Assert.Equal(3, Exactness.ByServer([Grants.At(0), Grants.At(0.5), Grants.At(0.999999)], window).Permits);
    }

    [Fact]
    public void Clients_processes_and_windows_are_checked_separately()
    {
        LimitWindow[] windows = [Grants.Window(2, 1), Grants.Window(3, 10)];
        var report = LimitCheck.Run(
            [new([Grants.At(0), Grants.At(5), Grants.At(0, client: "d")]), new([Grants.At(0), Grants.At(5), Grants.At(0, client: "d")])], windows);
        var finding = Assert.Single(report.Findings);
        Assert.StartsWith("3/10 s: 4 permits by server time", finding, StringComparison.Ordinal);
        Assert.Equal([2, 4], report.Windows.Select(window => window.ByServer.Permits));
        Assert.Equal([1, 2], report.Windows.Select(window => window.ByCaller.Permits));
        Assert.Equal(2, report.Clients);
    }

    [Fact]
    public void Limiter_that_grants_too_little_is_detected_without_false_alarms()
    {
        LimitWindow[] windows = [Grants.Window(10, 1)];
        Assert.True(Every(1).IsClean, Every(1).ToString());
        Assert.True(Every(1.01).IsClean, Every(1.01).ToString());
        Assert.Contains("too little granted", Assert.Single(Every(1.03).Findings), StringComparison.Ordinal);

        LimitReport Every(double seconds)
        {
            var bursts = Enumerable.Range(0, 29).SelectMany(burst => Enumerable.Range(0, 10).Select(_ => Grants.At(burst * seconds)));
            return LimitCheck.Run(Grants.Ledger(bursts), windows, Grants.Steady(0, 29));
        }
    }

    [Fact]
    public void Limiter_that_stops_early_is_detected()
    {
        var bursts = Enumerable.Range(0, 20).SelectMany(second => Enumerable.Range(0, 10).Select(_ => Grants.At(second)));
        LimitWindow[] windows = [Grants.Window(10, 1)];
        Assert.True(LimitCheck.Run(Grants.Ledger(bursts), windows, Grants.Steady(0, 19.99)).IsClean);
        Assert.False(LimitCheck.Run(Grants.Ledger(bursts), windows, Grants.Steady(0, 24)).IsClean);
        Assert.False(LimitCheck.Run(Grants.Ledger(bursts), windows, Grants.Steady(21, 24)).IsClean);
    }

    [Fact]
    public void Grants_before_a_steady_interval_count_in_its_windows()
    {
        var bursts = Enumerable.Range(0, 20).SelectMany(second => Enumerable.Range(0, 10).Select(_ => Grants.At(second)));
        var report = LimitCheck.Run(Grants.Ledger(bursts), [Grants.Window(10, 1)], Grants.Steady(4.2, 15.2));
        Assert.Equal(1, Assert.Single(report.Shares).All);
    }

    [Fact]
    public void Load_without_grants_is_not_evidence() =>
        Assert.Equal(["no permit was granted"], LimitCheck.Run(Grants.Ledger(), [Grants.Window(1, 1)]).Findings);

    [Fact]
    public void Ledger_is_read_back_as_written_and_an_invalid_line_is_an_error()
    {
        using var directory = new Fixtures.TemporaryDirectory("grants");
        var file = directory.File("ledger");
        Grant[] grants = [Grants.At(1.5, 3), Grants.At(2, client: "{a}*\n😀")];
        new GrantLedger(grants).Write(file);
        Assert.Equal(grants, GrantLedger.Read(file).Grants);

        foreach (var wrong in (string[])["{}", """{"client":"c","policy":"p","permits":0,"at":"2026-01-31T12:00:00.123456Z","source":"redis","began":1,"ended":2}"""])
        {
            File.WriteAllText(file, wrong);
            Assert.ThrowsAny<Exception>(() => GrantLedger.Read(file));
        }
    }

    /// <summary>Grants each request as early as possible by a search of every microsecond.</summary>
    private static List<Grant> Plain(int[] permits, LimitWindow[] windows)
    {
        var grants = new List<Grant>();
        var now = Grants.Start;
        foreach (var each in permits)
        {
            while (windows.Any(window => each + grants.Where(grant => grant.At > now - (window.Duration.Ticks / 10)).Sum(grant => grant.Permits) > window.Limit)) now++;
            grants.Add(new("c", "p", each, now, "redis", (now - Grants.Start) / 1e6, (now - Grants.Start) / 1e6));
        }
        return grants;
    }

    private static LimitWindow Microseconds(int length) => new(1, TimeSpan.FromMicroseconds(length));
}
