using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Options;

namespace Actors;

/// <summary>
/// Repeats calls that failed only because a silo left, died or could not be reached, so that callers notice nothing of a
/// cluster that changes: any call that no silo has begun with, and those that do no more twice than once
/// (<see cref="RetryClassifier"/>) also where they were lost on the way. What the actors themselves answer is never repeated.
/// A call of ours that still fails ends with <see cref="ClusterUnreachableException"/> instead of an error of Orleans.
/// </summary>
internal sealed class RetryFilter(IOptions<ActorsClientOptions> options, LostCalls lost, TimeProvider? time = null) : IOutgoingGrainCallFilter
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    private readonly ActorsClientOptions _options = options.Value;
    private readonly TimeProvider _time = time ?? TimeProvider.System;

    public async Task Invoke(IOutgoingGrainCallContext context)
    {
        if (RetryClassifier.AsksForLostCalls(context))
        {
            await context.Invoke();
            return;
        }

        if (_options.AssignRequestIds) RetryClassifier.NameWrite(context);
        var isRepeatable = RetryClassifier.IsRepeatable(context);
        var cancellation = context.Request.GetCancellationToken();
        var began = _time.GetTimestamp();
        var mayHaveTakenEffect = false;
        for (var attempt = 1; ; attempt++)
        {
            var pause = PauseAfter(attempt);
            var tried = _time.GetTimestamp();
            Exception failed;
            try
            {
                await TryAsync(context, isRepeatable && context.Request.IsCancellable ? Left() : null, cancellation);
                return;
            }
            catch (Exception error) when (MayRepeat(error))
            {
                // Below. Whatever becomes of the next attempt, this one may have been carried out.
                mayHaveTakenEffect |= !RetryClassifier.WasNotBegun(error);
                failed = error;
            }
            catch (Exception error) when (RetryClassifier.IsOurs(context) && RetryClassifier.IsFailureOnTheWay(error))
            {
                throw Unreachable(error);
            }

            await Task.Delay(pause, _time, cancellation);
            RetryClassifier.Waited(context, _time.GetElapsedTime(tried));

            // The pause took longer than it should, and no time is left for another attempt.
            if (Left() <= TimeSpan.Zero)
            {
                if (RetryClassifier.IsOurs(context) && RetryClassifier.IsFailureOnTheWay(failed)) throw Unreachable(failed);
                ExceptionDispatchInfo.Throw(failed);
            }

            bool MayRepeat(Exception error) =>
                (RetryClassifier.WasNotBegun(error) || (isRepeatable && RetryClassifier.MayHaveBegun(error)))

                // A silo takes its time to stop, and it is no fault that it does: that it said so counts as no attempt.
                && (error is LimiterMovedException or SiloEvictedException || attempt < _options.MaxAttempts) && Left() > pause;
        }

        ClusterUnreachableException Unreachable(Exception error)
        {
            mayHaveTakenEffect |= !RetryClassifier.WasNotBegun(error);
            var effect = mayHaveTakenEffect ? "It may have taken effect." : "It did nothing.";
            return new($"{context.MethodName} of {context.TargetId} failed on its way: {error.Message} {effect}", error)
            {
                MayHaveTakenEffect = mayHaveTakenEffect,
            };
        }

        TimeSpan Left() => _options.ResponseTimeout - _time.GetElapsedTime(began);
    }

    /// <summary>One attempt. It is given up once the silo that has it is taken for dead.</summary>
    /// <param name="context">The call.</param>
    /// <param name="left">How long the call as a whole may still take, if the attempt may be given up earlier and the call repeated.</param>
    /// <param name="cancellation">The caller's.</param>
    /// <exception cref="TimeoutException">There was no answer in time, or none will come.</exception>
    private async Task TryAsync(IOutgoingGrainCallContext context, TimeSpan? left, CancellationToken cancellation)
    {
        // The duration of the app's own grain calls is unknown, and other calls may wait on purpose.
        if (!RetryClassifier.IsSoonAnswered(context))
        {
            await (left is { } longest ? TryForAsync(context, longest, CancellationToken.None, cancellation) : context.Invoke());
            return;
        }

        var era = lost.Enter();
        try
        {
            await (left is { } longest ? TryForAsync(context, longest, era.Lost, cancellation) : TryOnceAsync(context, era.Lost));
        }
        finally
        {
            era.Leave();
        }
    }

    // It is not made again, so it may be left behind.
    private static async Task TryOnceAsync(IOutgoingGrainCallContext context, CancellationToken isLost)
    {
        var call = context.Invoke();
        if (!call.IsCompleted) await call.WaitAsync(isLost).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!call.IsCompleted)
        {
            call.Ignore();
            throw Lost(context);
        }

        await call;
    }

    // Orleans itself ends the call, since it cannot be made again while it is under way.
    private async Task TryForAsync(IOutgoingGrainCallContext context, TimeSpan left, CancellationToken isLost, CancellationToken cancellation)
    {
        var most = left < _options.AttemptTimeout ? left : _options.AttemptTimeout;
        using var limit = new CancellationTokenSource(most, _time);
        using var any = CancellationTokenSource.CreateLinkedTokenSource(cancellation, isLost, limit.Token);
        SetToken(any.Token);
        try
        {
            await context.Invoke();
        }
        catch (OperationCanceledException) when (any.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            throw isLost.IsCancellationRequested
                ? Lost(context)
                : new TimeoutException($"{context.MethodName} of {context.TargetId} was not answered within {most}.");
        }
        finally
        {
            SetToken(cancellation);
        }

        // By convention the last argument, and of the caller alone: it is not sent.
        void SetToken(CancellationToken token) => context.Request.SetArgument(context.Request.GetArgumentCount() - 1, token);
    }

    private static TimeoutException Lost(IOutgoingGrainCallContext context) => new(
        $"A silo was declared dead while {context.MethodName} of {context.TargetId} waited for its answer, and none has come since.");

    private TimeSpan PauseAfter(int attempt)
    {
        var pause = _options.FirstPause * Math.Pow(2, Math.Min(attempt - 1, 16));
        if (pause > LongestPause) pause = LongestPause > _options.FirstPause ? LongestPause : _options.FirstPause;

        // Jitter, so that all that failed at once does not come back at once.
        return pause * (0.5 + Random.Shared.NextDouble());
    }
}
