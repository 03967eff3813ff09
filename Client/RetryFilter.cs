using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Actors.Calls;
using Microsoft.Extensions.ObjectPool;
using Microsoft.Extensions.Options;

namespace Actors;

/// <summary>
/// Retries calls that failed because a silo left, died or was unreachable, so that callers do not notice a changing cluster. It
/// retries any call that no silo has begun, and idempotent calls (<see cref="RetryClassifier"/>) also if they were lost. Errors of
/// the actors themselves are not retried. A call to the actors that still fails throws <see cref="ClusterUnreachableException"/>
/// instead of an error of Orleans.
/// </summary>
internal sealed class RetryFilter(IOptions<ActorsClientOptions> options, LostCalls lost) : IOutgoingGrainCallFilter
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    private readonly ActorsClientOptions _options = options.Value;

    // Thread-safe. Nearly all attempts end long before their limit, so few of these are ever cancelled.
    private readonly DefaultObjectPool<CancellationTokenSource> _limits = new(new ReusableLimit(), maximumRetained: 1_024);

    public async Task Invoke(IOutgoingGrainCallContext context)
    {
        if (RetryClassifier.AsksForLostCalls(context.Request) || RetryClassifier.CarriesCalls(context.Request))
        {
            await context.Invoke();
            return;
        }

        if (_options.AssignRequestIds) RetryClassifier.AssignRequestId(context.Request);
        var isRepeatable = RetryClassifier.IsRepeatable(context.Request);
        var cancellation = context.Request.GetCancellationToken();
        var first = FirstAttempt.Take();
        var began = first?.Began ?? Stopwatch.GetTimestamp();
        var mayHaveTakenEffect = false;
        for (var attempt = 1; ; attempt++)
        {
            var tried = Stopwatch.GetTimestamp();
            var pause = TimeSpan.Zero;
            Exception failed;
            try
            {
                if (first is not null && attempt == 1) ExceptionDispatchInfo.Throw(first.Error);
                await TryAsync(context, isRepeatable && context.Request.IsCancellable ? Left() : null, cancellation);
                return;
            }
            catch (Exception error) when (MayRepeat(error))
            {
                // Retried below. Whatever becomes of the retry, this attempt may have been executed.
                mayHaveTakenEffect |= !RetryClassifier.WasNotBegun(error);
                failed = error;
            }
            catch (Exception error) when (RetryClassifier.IsOurs(context.Request) && RetryClassifier.IsFailureOnTheWay(error))
            {
                throw Unreachable(error);
            }

            await Task.Delay(pause, cancellation);
            RetryClassifier.Waited(context.Request, Stopwatch.GetElapsedTime(tried));

            // The pause took longer than planned, and no time is left for another attempt.
            if (Left() <= TimeSpan.Zero)
            {
                if (RetryClassifier.IsOurs(context.Request) && RetryClassifier.IsFailureOnTheWay(failed)) throw Unreachable(failed);
                ExceptionDispatchInfo.Throw(failed);
            }

            bool MayRepeat(Exception error)
            {
                pause = PauseAfter(attempt);
                return (RetryClassifier.WasNotBegun(error) || (isRepeatable && RetryClassifier.MayHaveBegun(error)))

                    // A stopping silo takes its time, which is not an error, so its answer does not count as an attempt.
                    && (error is LimiterMovedException or SiloEvictedException || attempt < _options.MaxAttempts) && Left() > pause;
            }
        }

        ClusterUnreachableException Unreachable(Exception error)
        {
            mayHaveTakenEffect |= !RetryClassifier.WasNotBegun(error);
            var effect = mayHaveTakenEffect ? "It may have taken effect." : "It did nothing.";
            return new($"{context.MethodName} of {context.TargetId} failed: {error.Message} {effect}", error)
            {
                MayHaveTakenEffect = mayHaveTakenEffect,
            };
        }

        TimeSpan Left() => _options.ResponseTimeout - Stopwatch.GetElapsedTime(began);
    }

    /// <summary>Makes one attempt, and abandons it if the silo that executes it is presumed dead.</summary>
    /// <param name="context">The call.</param>
    /// <param name="left">The time left for the whole call, if the attempt may be abandoned earlier and retried.</param>
    /// <param name="cancellation">The caller's token.</param>
    /// <exception cref="TimeoutException">There was no answer in time, or there will be none.</exception>
    private Task TryAsync(IOutgoingGrainCallContext context, TimeSpan? left, CancellationToken cancellation)
    {
        // The duration of the app's own grain calls is unknown, and other calls may wait on purpose.
        if (!RetryClassifier.IsSoonAnswered(context.Request)) return left is { } limit ? TryForAsync(context, limit, era: null, cancellation) : context.Invoke();
        return left is { } longest ? TryForAsync(context, longest, lost.Enter(), cancellation) : TryOnceAsync(context, lost.Enter());
    }

    // The call is not retried, so it may be abandoned while it runs.
    private static async Task TryOnceAsync(IOutgoingGrainCallContext context, LostCalls.Era era)
    {
        try
        {
            var call = context.Invoke();
            if (!call.IsCompleted) await call.WaitAsync(era.Lost).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!call.IsCompleted)
            {
                call.Ignore();
                throw Lost(context);
            }

            await call;
        }
        finally
        {
            era.Leave();
        }
    }

    // Orleans itself must end the call, because a call in flight cannot be made again.
    private async Task TryForAsync(IOutgoingGrainCallContext context, TimeSpan left, LostCalls.Era? era, CancellationToken cancellation)
    {
        // No time may be left by now.
        var most = left < _options.AttemptTimeout ? left : _options.AttemptTimeout;
        if (most < TimeSpan.Zero) most = TimeSpan.Zero;

        var limit = _limits.Get();
        CancellationTokenRegistration lostWith = default, cancelledWith = default;
        try
        {
            limit.CancelAfter(most);
            lostWith = era?.Lost.UnsafeRegister(Cancel, limit) ?? default;
            cancelledWith = cancellation.UnsafeRegister(Cancel, limit);
            SetToken(limit.Token);
            await context.Invoke();
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            throw era?.Lost.IsCancellationRequested is true
                ? Lost(context)
                : new TimeoutException($"{context.MethodName} of {context.TargetId} was not answered within {most}.");
        }
        finally
        {
            SetToken(cancellation);

            // Afterwards nothing of this attempt can cancel the one that uses the source next.
            cancelledWith.Dispose();
            lostWith.Dispose();
            _limits.Return(limit);
            era?.Leave();
        }

        // By convention the token is the last argument. It is local and not sent.
        void SetToken(CancellationToken token) => context.Request.SetArgument(context.Request.GetArgumentCount() - 1, token);

        static void Cancel(object? source) => ((CancellationTokenSource)source!).Cancel();
    }

    private static TimeoutException Lost(IOutgoingGrainCallContext context) => new(
        $"A silo was declared dead while {context.MethodName} of {context.TargetId} was in flight, and no answer has arrived since.");

    private TimeSpan PauseAfter(int attempt)
    {
        var pause = _options.FirstPause * Math.Pow(2, Math.Min(attempt - 1, 16));
        if (pause > LongestPause) pause = LongestPause > _options.FirstPause ? LongestPause : _options.FirstPause;

        // Jitter, so that calls that failed together do not retry together.
        return pause * (0.5 + Random.Shared.NextDouble());
    }

    private sealed class ReusableLimit : PooledObjectPolicy<CancellationTokenSource>
    {
        public override CancellationTokenSource Create() => new();

        public override bool Return(CancellationTokenSource obj) => obj.TryReset();
    }
}
