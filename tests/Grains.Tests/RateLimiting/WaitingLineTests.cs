using Actors.RateLimiting;
using Actors.Redis;
using Microsoft.Extensions.Options;

namespace Actors.Grains.Tests.RateLimiting;

/// <summary>Calls wait in the order they came, and the turn of each is planned.</summary>
public sealed class WaitingLineTests : IAsyncDisposable
{
    private const long Window = 1_000_000;
    private const int Limit = 10;

    // The port has no listener; these tests never call Redis.
    private readonly RedisGateway _nowhere = new(new RedisOptions { ConnectionString = "127.0.0.1:1", KeyPrefix = "test" });
    private readonly LimiterCounters _counters = new(new ConfiguredPolicies(new NoPolicies()));
    private readonly RedisGrantLogStore _logs;
    private readonly WaitingLine _line;

    public WaitingLineTests()
    {
        _logs = new(_nowhere, TimeProvider.System, _counters);
        _line = new(_counters);
    }

    public async ValueTask DisposeAsync()
    {
        _logs.Dispose();
        await _nowhere.DisposeAsync();
    }

    [Fact]
    public void Call_that_fits_has_its_turn_at_once()
    {
        var log = Log((100, 7));
        Assert.Equal(long.MinValue, _line.TurnOf(3, log));
        Assert.Equal(100 + Window, _line.TurnOf(4, log));
    }

    [Fact]
    public void Turn_comes_when_enough_permits_have_left_the_window()
    {
        var log = Log((100, 4), (200, 6));
        _line.Add(Call(4), log);
        _line.Add(Call(1), log);
        Assert.Equal([100 + Window, 200 + Window], Turns(log));
    }

    [Fact]
    public void Small_call_does_not_overtake_a_large_one()
    {
        var log = Log((100, 4), (200, 6));
        _line.Add(Call(10), log);
        _line.Add(Call(1), log);

        // The first takes the whole window, so the second waits until that grant has left it.
        Assert.Equal([200 + Window, 200 + (2 * Window)], Turns(log));
        Assert.Equal(200 + (2 * Window), _line.TurnOf(1, log));
    }

    [Fact]
    public void Calls_behind_one_that_is_gone_move_up()
    {
        var log = Log((100, 10));
        var first = Call(10);
        _line.Add(first, log);
        _line.Add(Call(10), log);
        Assert.Equal([100 + Window, 100 + (2 * Window)], Turns(log));

        first.GiveUp(new CancellationToken(canceled: true));
        _line.RemoveDecided();
        Assert.Equal([100 + Window], Turns(log));
        Assert.False(_line.Holds(first));
    }

    [Fact]
    public void Turns_are_planned_anew_when_the_log_changes()
    {
        var log = Log((100, 10));
        _line.Add(Call(5), log);
        Assert.Equal([100 + Window], Turns(log));
        log.Grants.Load(0, [(100, 2), (300, 8)]);
        Assert.Equal([300 + Window], Turns(log));
    }

    [Fact]
    public void Turns_are_planned_anew_when_the_policy_changes()
    {
        var log = Log((100, 10));
        _line.Add(Call(5), log);
        log.Windows = Windows(2 * Limit);
        Assert.True(Assert.Single(Turns(log)) <= 100);
    }

    [Fact]
    public void Waiting_calls_and_their_memory_are_counted_until_they_leave()
    {
        var log = Log((100, 10));
        var calls = Enumerable.Range(0, 100).Select(_ => Call(1)).ToArray();
        foreach (var call in calls) _line.Add(call, log);
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
    public void Call_that_gives_up_while_it_is_decided_stays_until_the_decision()
    {
        var log = Log((100, 10));
        var call = Call(1);
        _line.Add(call, log);
        call.BeginDeciding();
        call.GiveUp(new CancellationToken(canceled: true));
        _line.RemoveDecided();
        Assert.True(_line.Holds(call));

        call.EndDeciding();
        _line.RemoveDecided();
        Assert.False(_line.Holds(call));
    }

    private static Ticket Call(int permits) => new(calls: 1, permits, name: null, deadline: long.MaxValue);

    private static Windows Windows(int limit) => new(new RateLimitPolicy
    {
        Name = "test",
        Windows = [new(limit, TimeSpan.FromMicroseconds(Window))],
    });

    private GrantLogSession Log(params (long At, long Permits)[] grants)
    {
        var log = new GrantLogSession("client", "test", _logs, _counters, reservedShare: 0, fenced: () => { }, unsynced: () => { }) { Windows = Windows(Limit) };
        log.Grants.Load(0, grants);
        return log;
    }

    private long[] Turns(GrantLogSession log) => [.. _line.Tickets(log).Select(ticket => ticket.PlannedAt)];

    private sealed class NoPolicies : IOptionsMonitor<RateLimitOptions>
    {
        public RateLimitOptions CurrentValue { get; } = new();

        public RateLimitOptions Get(string? name) => CurrentValue;

        public IDisposable? OnChange(Action<RateLimitOptions, string?> listener) => null;
    }
}
