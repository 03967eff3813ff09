using System.Diagnostics;
using Orleans.CodeGeneration;
using Orleans.Serialization.Invocation;

namespace Actors.Calls;

/// <summary>
/// A call that travels in a message with others. It is settled once: by its answer, by its caller's token, or by Orleans, if the
/// message failed or the silo returned the call.
/// </summary>
internal abstract class CoalescedCall(GrainId grain, IInvokable request)
{
    /// <summary>The grain.</summary>
    public GrainId Grain => grain;

    /// <summary>The request, as Orleans' proxy made it.</summary>
    public IInvokable Request => request;

    /// <summary>Whether the call may be repeated. Does not change while it waits.</summary>
    public bool IsRepeatable { get; } = RetryClassifier.IsRepeatable(request);

    /// <summary>When the call was made, by <see cref="Stopwatch"/>.</summary>
    public long Began { get; } = Stopwatch.GetTimestamp();

    /// <summary>Completes when nobody waits for the call any more.</summary>
    public abstract Task Settled { get; }

    /// <summary>True if nobody waits for the call any more.</summary>
    public bool IsSettled => Settled.IsCompleted;

    /// <summary>Passes on the answer. Any thread may call it, and more than once.</summary>
    public abstract void Answer(Response answer);

    /// <summary>The message failed: makes the call again if that is allowed. Any thread may call it, and more than once.</summary>
    public abstract void Fail(Exception error);

    /// <summary>Leaves the call, which was not sent or was returned by the silo, to Orleans.</summary>
    public abstract void SendAlone();

    /// <summary>Ends the call, which was cancelled before it was sent.</summary>
    public abstract void Drop();
}

/// <inheritdoc/>
/// <param name="orleans">Makes the call again.</param>
/// <param name="grain">The grain.</param>
/// <param name="request">The request.</param>
/// <param name="options">The options of the call.</param>
/// <param name="inFlight">The calls in flight, of which this is one until it is answered or dropped.</param>
internal sealed class CoalescedCall<T>(
    IGrainReferenceRuntime orleans, GrainReference grain, IInvokable request, InvokeMethodOptions options, CallsInFlight inFlight)
    : CoalescedCall(grain.GrainId, request)
{
    // The continuations are the app's code and must not run on the threads that read answers.
    private readonly TaskCompletionSource<T?> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenRegistration _cancelled;

    // Interlocked: 1 once the call was answered, dropped, or left to Orleans.
    private int _isDecided;

    public override Task Settled => _result.Task;

    /// <summary>The result.</summary>
    public Task<T?> Result => _result.Task;

    /// <summary>Lets the caller's token end the wait. To be called before the call is sent.</summary>
    public void EndWith(CancellationToken cancellation) => _cancelled = cancellation.UnsafeRegister(
        static (call, token) => ((CoalescedCall<T>)call!)._result.TrySetCanceled(token), this);

    /// <summary>The call is not made this way after all.</summary>
    public void Forget() => _cancelled.Dispose();

    public override void Answer(Response answer)
    {
        if (!Decide()) return;
        if (answer.Exception is { } error)
        {
            if (RetryClassifier.WasNotBegun(error) || RetryClassifier.IsFailureOnTheWay(error)) _ = MakeAloneAsync(error);
            else Settle(error);
            return;
        }

        try
        {
            Settle(answer.GetResult<T>());
        }
        catch (InvalidCastException wrong)
        {
            // The answer of another version.
            _ = MakeAloneAsync(new InvalidOperationException(wrong.Message, wrong));
        }
    }

    public override void Fail(Exception error)
    {
        if (!Decide()) return;
        _ = MakeAloneAsync(error);
    }

    public override void SendAlone()
    {
        if (IsSettled) Drop();
        else if (Decide()) _ = MakeAloneAsync(failed: null);
    }

    public override void Drop()
    {
        if (Decide()) inFlight.Leave();
    }

    private bool Decide() => Interlocked.Exchange(ref _isDecided, 1) == 0;

    private async Task MakeAloneAsync(Exception? failed)
    {
        try
        {
            if (failed is not null) new FirstAttempt(Began, failed).HandOver();
            Settle(await orleans.InvokeMethodAsync<T>(grain, Request, options).ConfigureAwait(false));
        }
        catch (Exception error)
        {
            Settle(error);
        }
    }

    private void Settle(T? result)
    {
        _cancelled.Dispose();
        inFlight.Leave();
        _result.TrySetResult(result);
    }

    private void Settle(Exception error)
    {
        _cancelled.Dispose();
        inFlight.Leave();
        _result.TrySetException(error);
    }
}
