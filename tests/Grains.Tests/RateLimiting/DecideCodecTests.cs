using Actors.RateLimiting;
using StackExchange.Redis;

namespace Actors.Grains.Tests.RateLimiting;

/// <summary>Requests are written as runs of equal calls, and the answer of a run is divided among its calls.</summary>
public sealed class DecideCodecTests
{
    private static readonly Windows Windows =
        new(new RateLimitPolicy { Name = "test", Windows = [new(10, TimeSpan.FromSeconds(1))] });

    [Fact]
    public void Consecutive_equal_calls_are_one_run()
    {
        var request = Request(Call(1), Call(1, calls: 3), Call(2), Call(2, waits: true), Named("2:p:x"), Named("2:p:y", waits: true));
        Assert.Equal(5, DecideCodec.EntriesOf(request));
        var (keys, arguments) = DecideCodec.Write([request], 0, 1);
        Assert.Equal(["log", "names"], keys.Select(key => key.ToString()));
        Assert.Equal(["5", "4", "1", "-", "1", "2", "-", "1", "2", "W", "1", "2", "-2:p:x", "1", "2", "W2:p:y"], Text(arguments[^(1 + (5 * 3))..]));
    }

    [Fact]
    public void Grants_from_the_reserve_are_reported()
    {
        var request = Request([(7, 3, 2), (9, 5, 1)], Call(1));
        Assert.Equal(["2", "7", "3:2", "9", "5:1", "1", "1", "1", "-"], Text(DecideCodec.Write([request], 0, 1).Arguments[^9..]));
    }

    [Fact]
    public void Granted_calls_of_a_run_are_the_first_ones()
    {
        var request = Request(Call(1), Call(1, calls: 3), Call(1), Named("2:p:x"));
        var response = DecideCodec.Read(request, Answer(GrantScripts.Done, 100, 101, 40, 1, 6, 3, -55), (1, 2));
        Assert.Equal([1, 2, 0, -55], response.Granted);
        Assert.Equal((100L, 101L, 40L, true, 6L), (response.Time, response.At, response.Before, response.IsAddedToLast, response.Reserved));
        Assert.Equal(3, response.PermitsGranted(request.Tickets));
        Assert.Equal("", response.Epoch);
    }

    [Fact]
    public void New_owner_gets_the_log_oldest_first()
    {
        var response = DecideCodec.Read(
            Request(Call(1)), Answer(GrantScripts.Done, 100, 101, 40, 0, 0, 1, "epoch", "40:1", 101, "37:3", 90), (1, 2));
        Assert.Equal(("epoch", 37L, false), (response.Epoch, response.BeforeGrants, response.IsPartial));
        Assert.Equal([(90, 3), (101, 1)], response.Grants);
    }

    [Fact]
    public void Held_log_has_a_new_owner_and_no_decision()
    {
        var response = DecideCodec.Read(Request(Call(1)), Answer(GrantScripts.Held, 100, 2000, "epoch", "37:3", 90), (1, 2));
        Assert.Equal(("epoch", TimeSpan.FromMilliseconds(2)), (response.Epoch, response.HeldFor));
        Assert.Equal([(90, 3)], response.Grants);
        Assert.Empty(response.Granted);
    }

    private static Ticket Call(int permits, int calls = 1, bool waits = false) => new(calls, permits, null, waits ? long.MaxValue : 0);

    private static Ticket Named(string name, bool waits = false) => new(1, 2, name, waits ? long.MaxValue : 0);

    private static DecideRequest Request(params Ticket[] tickets) => Request(null, tickets);

    private static DecideRequest Request(IReadOnlyList<(long At, long Before, long Permits)>? fromReserve, params Ticket[] tickets) => new()
    {
        Log = "log",
        Requests = "names",
        Windows = Windows,
        Usage = [(0, 0)],
        FromReserve = fromReserve,
        Tickets = tickets,
    };

    private static RedisResult[] Answer(params object[] values) =>
        [.. values.Select(value => RedisResult.Create(value is string text ? (RedisValue)text : Convert.ToInt64(value, null)))];

    private static string[] Text(RedisValue[] values) => [.. values.Select(value => value.ToString())];
}
