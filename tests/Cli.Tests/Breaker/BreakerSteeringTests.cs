using Actors.Cli.Commands;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests.Breaker;

public sealed class BreakerSteeringTests : IDisposable
{
    private readonly Shell _shell = new();

    public BreakerSteeringTests() => Show(Silos.Of(Silos.First), Silos.Of(Silos.Second));

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Isolate_and_close_change_one_silo_and_report_the_result()
    {
        var isolate = await _shell.RunAsync("breaker", "isolate", Silos.Second, "--reason", "maintenance");
        Assert.Equal((ExitCode.Done, ""), (isolate.ExitCode, isolate.Error));
        Assert.Equal($"{Silos.Second}: isolated; was closed", isolate.Output.Trim());
        Assert.Equal((BreakerState.Closed, BreakerState.Isolated), (State(0), State(1)));
        Assert.Equal("maintenance", _shell.Cluster.CurrentStatus.Silos[1].Breaker!.Transitions[^1].Reason);

        var close = await _shell.RunAsync("breaker", "close", Silos.Second);
        Assert.Equal($"{Silos.Second}: closed; was isolated", close.Output.Trim());
        Assert.Equal(BreakerState.Closed, State(1));
    }

    [Fact]
    public async Task All_option_changes_every_circuit_of_every_silo()
    {
        Show(Silos.Of(Silos.First, Silos.Closed("a:1", "journal"), Silos.Open("b:1", "cache")), Silos.Of(Silos.Second));
        var result = await _shell.RunAsync("breaker", "isolate", "--all", "--reason", "r");
        Assert.Equal(ExitCode.Done, result.ExitCode);
        Assert.Equal(
            [
                $"{Silos.First}: isolated; was closed (journal), open (cache)",
                $"{Silos.Second}: isolated; was closed",
            ],
            result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        Assert.Equal((BreakerState.Isolated, BreakerState.Isolated), (State(0), State(1)));
    }

    [Theory]
    [InlineData(Silos.Second)]
    [InlineData("127.0.0.1:11112")]
    [InlineData("11112")]
    [InlineData("127.0.0.1:11112@15")]
    [InlineData("127.0.0.1:1112")]
    public async Task Unique_part_of_an_address_selects_its_silo(string silo)
    {
        // Each address also starts another silo's address, but an exact match wins.
        var other = silo == "127.0.0.1:1112" ? "127.0.0.1:11120@1" : Silos.First;
        var named = silo == "127.0.0.1:1112" ? "127.0.0.1:1112@1" : Silos.Second;
        Show(Silos.Of(other), Silos.Of(named));
        var result = await _shell.RunAsync("breaker", "isolate", silo, "--reason", "r");
        Assert.Equal((ExitCode.Done, ""), (result.ExitCode, result.Error));
        Assert.Equal((BreakerState.Closed, BreakerState.Isolated), (State(0), State(1)));
    }

    [Theory]
    [InlineData("[::1]:38945")]
    [InlineData("::1:38945")]
    [InlineData("[::1]:38945@7")]
    [InlineData("::1:38945@7")]
    [InlineData("38945")]
    [InlineData("[::1]")]
    public async Task IPv6_silo_is_selected_with_and_without_brackets(string silo)
    {
        // Older silos print IPv6 addresses without brackets.
        foreach (var name in (string[])["[::1]:38945@7", "::1:38945@7"])
        {
            Show(Silos.Of(Silos.First), Silos.Of(name));
            var result = await _shell.RunAsync("breaker", "isolate", silo, "--reason", "r");
            Assert.Equal((ExitCode.Done, $"{name}: isolated; was closed"), (result.ExitCode, result.Output.Trim()));
        }
    }

    [Fact]
    public async Task Circuit_that_opened_again_is_reported_as_open()
    {
        Show(Silos.Of(Silos.First, Silos.Closed("a:1", "journal"), Silos.Open("b:1", "cache")));
        _shell.Cluster.BeforeBreakerRead = () => Show(Silos.Of(Silos.First, Silos.Open()));
        var result = await _shell.RunAsync("breaker", "close", "11111");
        Assert.Equal($"{Silos.First}: closed, now open; was closed (journal), open (cache)", result.Output.Trim());
    }

    [Theory]
    [InlineData("127.0.0.1", "matches several silos:")]
    [InlineData("127.0.0.1:1111", "matches several silos:")]
    [InlineData("1", "matches several silos:")]
    [InlineData("11113", "matches no silo; silos are")]
    [InlineData("1111", "matches no silo; silos are")]
    [InlineData("154395619", "matches no silo; silos are")]
    [InlineData("", "matches no silo; silos are")]
    public async Task Ambiguous_or_unknown_silo_is_rejected_with_the_allowed_ones(string silo, string expected)
    {
        foreach (var command in (string[][])[["breaker", "close", silo], ["breaker", "isolate", silo, "--reason", "r"]])
        {
            var result = await _shell.RunAsync(command);
            Assert.Equal((ExitCode.Usage, ""), (result.ExitCode, result.Output));
            Assert.Contains($"'{silo}' {expected} {Silos.First}, {Silos.Second}", result.OnlyError(), StringComparison.Ordinal);
        }
        Assert.Equal((BreakerState.Closed, BreakerState.Closed), (State(0), State(1)));
    }

    [Theory]
    [InlineData("'--reason' is required", "isolate", "11111")]
    [InlineData("'--reason' is required", "isolate", "--all")]
    [InlineData("--reason '': use 1 to 200 characters, not 0", "isolate", "11111", "--reason", "")]
    [InlineData("--reason '': use 1 to 200 characters, not 0", "isolate", "11111", "--reason", "  ")]
    [InlineData("use SILO or --all", "isolate", "--reason", "r")]
    [InlineData("'11111' and --all contradict each other", "isolate", "11111", "--all", "--reason", "r")]
    [InlineData("use SILO or --all", "close")]
    [InlineData("'11111' and --all contradict each other", "close", "11111", "--all")]
    [InlineData("unknown option or extra argument '--reason' of close", "close", "11111", "--reason")]
    [InlineData("unknown option or extra argument '11112' of close", "close", "11111", "11112")]
    [InlineData("--transitions '51': use a whole number from 0 to 50", "list", "--transitions", "51")]
    [InlineData("breaker needs a command; commands are list, health, isolate, close")]
    public async Task Invalid_arguments_are_reported_before_connecting(string expected, params string[] args)
    {
        var result = await _shell.RunAsync(["breaker", .. args]);
        Assert.Equal((ExitCode.Usage, ""), (result.ExitCode, result.Output));
        Assert.Contains(expected, result.OnlyError(), StringComparison.Ordinal);
        Assert.Equal(0, _shell.Cluster.Connections);
    }

    [Theory]
    [InlineData(200, ExitCode.Done)]
    [InlineData(201, ExitCode.Usage)]
    public async Task Reason_has_at_most_200_characters(int length, int exitCode)
    {
        var result = await _shell.RunAsync("breaker", "isolate", "11111", "--reason", new string('x', length));
        Assert.Equal(exitCode, result.ExitCode);
        if (exitCode == ExitCode.Usage)
            Assert.Contains("use 1 to 200 characters, not 201", result.OnlyError(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unreachable_silo_does_not_prevent_changes_to_others()
    {
        _shell.Cluster.BeforeSteering = silo =>
        {
            if (silo == Silos.First)
                throw new TimeoutException();
        };
        var result = await _shell.RunAsync("breaker", "isolate", "--all", "--reason", "r", "--watch");
        Assert.Equal(ExitCode.Unavailable, result.ExitCode);
        Assert.Contains($"{Silos.First}: isolating failed: the cluster did not answer in time", result.OnlyError(), StringComparison.Ordinal);
        Assert.Equal($"{Silos.Second}: isolated; was closed", result.Output.Trim());
        // The output of a failed command is not redrawn.
        Assert.Equal(1, _shell.Cluster.StatusCalls);
    }

    [Fact]
    public async Task Unreadable_state_does_not_hide_a_successful_change()
    {
        _shell.Cluster.BeforeSteering = _ => _shell.Cluster.BeforeBreakerRead = () => throw new TimeoutException();
        var result = await _shell.RunAsync("breaker", "isolate", "11111", "--reason", "r");
        Assert.Equal(ExitCode.Unavailable, result.ExitCode);
        Assert.Equal($"{Silos.First}: isolated, now in an unknown state; was closed", result.Output.Trim());
        Assert.Contains("isolated, but reading the state failed", result.OnlyError(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Departed_silo_is_an_error_by_name_but_not_for_all()
    {
        Show(Silos.Of(Silos.First), Silos.NotResponding(Silos.Second));
        var named = await _shell.RunAsync("breaker", "close", "11112");
        Assert.Equal((ExitCode.Usage, ""), (named.ExitCode, named.Output));
        Assert.Contains($"{Silos.Second}: closing failed: There is no active silo", named.OnlyError(), StringComparison.Ordinal);

        var all = await _shell.RunAsync("breaker", "close", "--all");
        Assert.Equal(ExitCode.Done, all.ExitCode);
        Assert.Contains(Silos.Second, all.OnlyError(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_reports_the_action_and_state_of_each_silo()
    {
        _shell.Cluster.BeforeSteering = silo =>
        {
            if (silo == Silos.Second)
                throw new TimeoutException();
        };
        var silos = (await _shell.RunAsync("breaker", "isolate", "--all", "--reason", "r", "--json")).Json.GetProperty("silos");
        Assert.Equal(["silo", "isDone", "before", "breaker", "error"], silos[0].EnumerateObject().Select(property => property.Name));
        Assert.True(silos[0].GetProperty("isDone").GetBoolean());
        Assert.Equal("closed", silos[0].GetProperty("before").GetString());
        Assert.Equal("isolated", silos[0].GetProperty("breaker").GetProperty("state").GetString());
        Assert.False(silos[1].GetProperty("isDone").GetBoolean());
        Assert.Equal("the cluster did not answer in time", silos[1].GetProperty("error").GetString());
    }

    [Fact]
    public async Task Change_can_continue_with_watch()
    {
        foreach (var command in (string[][])[["isolate", "11111", "--reason", "why it is so"], ["close", "--all"]])
        {
            var before = _shell.Cluster.StatusCalls;
            var result = await _shell.RunUntilAsync(() => _shell.Cluster.StatusCalls >= before + 3, ["breaker", .. command, "--watch"]);
            Assert.Equal((ExitCode.Done, ""), (result.ExitCode, result.Error));
            Assert.Contains("why it is so", result.Output, StringComparison.Ordinal);
            Assert.Contains($"{Silos.First}: ", result.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Result_stays_on_a_redrawn_terminal()
    {
        using var shell = new Shell { IsInteractive = true };
        shell.Cluster.CurrentStatus = _shell.Cluster.CurrentStatus;
        var result = await shell.RunUntilAsync(() => shell.Cluster.StatusCalls >= 3, "breaker", "close", "11111", "--watch");
        Assert.Equal(ExitCode.Done, result.ExitCode);
        var drawn = result.Output.Split("2 silos")[..^1];
        Assert.NotEmpty(drawn);
        Assert.All(drawn, screen => Assert.Contains($"{Silos.First}: closed, as before", screen, StringComparison.Ordinal));
    }

    private BreakerState State(int silo) => _shell.Cluster.CurrentStatus.Silos[silo].Breaker!.State;

    private void Show(params SiloReport[] silos) => _shell.Cluster.CurrentStatus = new() { Silos = silos };
}
