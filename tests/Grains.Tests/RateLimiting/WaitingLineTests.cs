using Actors.RateLimiting;
using Microsoft.Extensions.Options;

namespace Actors.Grains.Tests.RateLimiting;

/// <summary>Calls wait in the order they came, and the turn of each is planned.</summary>
public sealed class WaitingLineTests
{
    private const long Window = 1_000_000;
    private const int Limit = 10;
    private const int MaxWaiting = 100;

    private readonly LimiterCounters _counters = new(new ConfiguredPolicies(new NoPolicies()));
    private readonly LogCopy _log;
    private readonly WaitingLine _line;

    public WaitingLineTests()
    {
        _log = new("client", Policy(Limit), new SiloRedisClock(TimeProvider.System), _counters, new NoHost());
        _line = new(_log, _counters, new RateLimitOptions { MaxWaiting = MaxWaiting });
    }

    [Fact]
    public void Call_that_fits_has_its_turn_at_once()
    {
        _log.Grants.Load(0, [(100, 7)]);
        Assert.Equal(long.MinValue, _line.TurnOf(3));
        Assert.Equal(100 + Window, _line.TurnOf(4));
    }

    [Fact]
    public void Turn_comes_when_enough_permits_have_left_the_window()
    {
        _log.Grants.Load(0, [(100, 4), (200, 6)]);
        _line.Add(Call(4));
        _line.Add(Call(1));
        Assert.Equal([100 + Window, 200 + Window], Turns());
    }

    [Fact]
    public void Small_call_does_not_overtake_a_large_one()
    {
        _log.Grants.Load(0, [(100, 4), (200, 6)]);
        _line.Add(Call(10));
        _line.Add(Call(1));

        // The first takes the whole window, so the second waits until that grant has left it.
        Assert.Equal([200 + Window, 200 + (2 * Window)], Turns());
        Assert.Equal(200 + (2 * Window), _line.TurnOf(1));
    }

    [Fact]
    public void Calls_behind_one_that_is_gone_move_up()
    {
        _log.Grants.Load(0, [(100, 10)]);
        var first = Call(10);
        _line.Add(first);
        _line.Add(Call(10));
        Assert.Equal([100 + Window, 100 + (2 * Window)], Turns());

        first.GiveUp(new CancellationToken(canceled: true));
        _line.RemoveDecided();
        Assert.Equal([100 + Window], Turns());
        Assert.False(_line.Holds(first));
    }

    [Fact]
    public void Turns_are_planned_anew_when_the_log_changes()
    {
        _log.Grants.Load(0, [(100, 10)]);
        _line.Add(Call(5));
        Assert.Equal([100 + Window], Turns());
        _log.Grants.Load(0, [(100, 2), (300, 8)]);
        Assert.Equal([300 + Window], Turns());
    }

    [Fact]
    public void Turns_are_planned_anew_when_the_policy_changes()
    {
        _log.Grants.Load(0, [(100, 10)]);
        _line.Add(Call(5));
        _log.Windows = new(Policy(2 * Limit));
        Assert.True(Assert.Single(Turns()) <= 100);
    }

    [Fact]
    public void Waiting_calls_and_their_memory_are_counted_until_they_leave()
    {
        _log.Grants.Load(0, [(100, 10)]);
        var calls = Enumerable.Range(0, 100).Select(_ => Call(1)).ToArray();
        foreach (var call in calls) _line.Add(call);
        Assert.Equal((100, 100L), (_line.Count, _counters.Waiting));
        Assert.True(_line.Bytes >= 100 * WaitingLine.CallBytes);
        Assert.True(_line.Holds(calls[57]));

        foreach (var call in calls[..40]) call.Decide([]);
        _line.RemoveDecided();
        Assert.Equal((60, 60L), (_line.Count, _counters.Waiting));
        Assert.Equal(calls[40..], _line.All);

        foreach (var call in calls[40..]) call.Decide([]);
        _line.RemoveDecided();
        Assert.Equal((0, 0L, 0L), (_line.Count, _counters.Waiting, _line.Bytes));
    }

    [Fact]
    public void Line_has_as_many_places_as_are_configured_and_ten_while_the_memory_is_full()
    {
        for (var i = 0; i < MaxWaiting; i++)
        {
            Assert.True(_line.HasPlace);
            _line.Add(Call(1));
        }

        Assert.False(_line.HasPlace);
        var crowded = new WaitingLine(_log, _counters, new RateLimitOptions { MaxWaiting = MaxWaiting, MaxMemory = 1 });
        _counters.AddBytes(1);
        for (var i = 0; i < 10; i++)
        {
            Assert.True(crowded.HasPlace);
            crowded.Add(Call(1));
        }

        Assert.False(crowded.HasPlace);
    }

    [Fact]
    public void Call_that_gives_up_while_it_is_decided_stays_until_the_decision()
    {
        _log.Grants.Load(0, [(100, 10)]);
        var call = Call(1);
        _line.Add(call);
        call.BeginDeciding();
        call.GiveUp(new CancellationToken(canceled: true));
        _line.RemoveDecided();
        Assert.True(_line.Holds(call));

        call.EndDeciding();
        _line.RemoveDecided();
        Assert.False(_line.Holds(call));
    }

    private static Ticket Call(int permits) => new(calls: 1, permits, name: null, deadline: long.MaxValue);

    private static RateLimitPolicy Policy(int limit) => new()
    {
        Name = "test",
        Windows = [new(limit, TimeSpan.FromMicroseconds(Window))],
    };

    private long[] Turns() => [.. _line.Planned.Select(ticket => ticket.PlannedAt)];

    private sealed class NoHost : ILimiterHost
    {
        public void WakeAfter(string policy, TimeSpan due)
        {
        }

        public void Fenced()
        {
        }

        public void OnUnsynced(TimeSpan longest)
        {
        }

        public void Failed(Exception error)
        {
        }

        public void AddBytes(long more)
        {
        }

        public void AskToLeave()
        {
        }
    }

    private sealed class NoPolicies : IOptionsMonitor<RateLimitOptions>
    {
        public RateLimitOptions CurrentValue { get; } = new();

        public RateLimitOptions Get(string? name) => CurrentValue;

        public IDisposable? OnChange(Action<RateLimitOptions, string?> listener) => null;
    }
}
