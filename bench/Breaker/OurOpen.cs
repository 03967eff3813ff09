using Actors.Redis;

namespace Actors.Bench.Breaker;

/// <summary>breaker.open, ours: a call is refused.</summary>
internal sealed class OurOpen : GuardedCalls
{
    private readonly TimeProvider _time;
    private readonly CircuitBreaker _breaker;

    public OurOpen()
    {
        _time = CoarseClock.Of(TimeProvider.System);
        _breaker = new CircuitBreaker(new BreakerOptions(), _time.TimestampFrequency, _time.GetTimestamp(), (_, _, _) => { });
    }

    public override Task PrepareAsync(Load load)
    {
        _breaker.Silent(_breaker.Phase, _time.GetTimestamp());
        return Task.CompletedTask;
    }

    protected override int Call(int calls)
    {
        var refused = 0;
        for (var i = 0; i < calls; i++)
        {
            if (!_breaker.TryEnter(_time.GetTimestamp(), out _)) refused++;
        }

        return refused;
    }
}
