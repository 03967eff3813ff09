using Polly;
using Polly.CircuitBreaker;

namespace Actors.Bench.Breaker;

/// <summary>
/// Polly's circuit breaker with our ratio, throughput and sampling duration. It is called as its documentation advises for hot
/// paths: static callbacks with state, pooled contexts, outcomes instead of exceptions.
/// </summary>
internal sealed class PollyCalls(bool isOpen) : GuardedCalls
{
    private readonly CircuitBreakerManualControl _control = new();
    private ResiliencePipeline<int>? _pipeline;

    public override async Task PrepareAsync(Load load)
    {
        _pipeline = new ResiliencePipelineBuilder<int>()
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions<int>
            {
                FailureRatio = 0.5,
                MinimumThroughput = 20,
                SamplingDuration = TimeSpan.FromSeconds(10),
                ManualControl = _control,
            })
            .Build();
        if (isOpen) await _control.IsolateAsync();
    }

    protected override int Call(int calls)
    {
        var done = 0;
        for (var i = 0; i < calls; i++)
        {
            var context = ResilienceContextPool.Shared.Get();
            var executing = _pipeline!.ExecuteOutcomeAsync(static (_, state) => Outcome.FromResultAsValueTask(state), context, i);

            // It never waits.
            if (executing.IsCompletedSuccessfully && (executing.Result.Exception is BrokenCircuitException) == isOpen) done++;
            ResilienceContextPool.Shared.Return(context);
        }

        return done;
    }
}
