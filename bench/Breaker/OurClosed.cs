using Actors.Redis;

namespace Actors.Bench.Breaker;

/// <summary>breaker.closed, ours: the guard around a silo's call to Redis.</summary>
internal sealed class OurClosed : GuardedCalls
{
    private readonly TimeProvider _time;
    private readonly CircuitBreaker _breaker;

    public OurClosed()
    {
        _time = CoarseClock.Of(TimeProvider.System);
        _breaker = new CircuitBreaker(new BreakerOptions(), _time.TimestampFrequency, _time.GetTimestamp(), (_, _, _) => { });
    }

    protected override int Call(int calls)
    {
        var made = 0;
        for (var i = 0; i < calls; i++)
        {
            var began = _time.GetTimestamp();
            if (!_breaker.TryEnter(began, out var permit)) continue;
            made++;
            _breaker.Answered(permit, began, _time.GetTimestamp());
        }

        return made;
    }
}
