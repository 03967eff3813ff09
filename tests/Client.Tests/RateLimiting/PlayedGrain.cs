using System.Threading.Channels;

namespace Actors.Client.Tests.RateLimiting;

/// <summary>The grain behind the coalescer, controlled by a test.</summary>
internal sealed class PlayedGrain
{
    private readonly Channel<PlayedCall> _calls = Channel.CreateUnbounded<PlayedCall>();
    private readonly Channel<TaskCompletionSource<RateLimitDecision>> _probes = Channel.CreateUnbounded<TaskCompletionSource<RateLimitDecision>>();

    // Incremented by the caller, read by the test.
    private int _count;

    public int Calls => Volatile.Read(ref _count);

    public Task<RateLimitDecision[]> AcquireManyAsync(RateLimitRequest[] requests)
    {
        Interlocked.Increment(ref _count);
        var call = new PlayedCall(requests);
        _calls.Writer.TryWrite(call);
        return call.Answered;
    }

    public Task<RateLimitDecision> ProbeAsync(string policy, CancellationToken cancellationToken)
    {
        var probe = new TaskCompletionSource<RateLimitDecision>(TaskCreationOptions.RunContinuationsAsynchronously);
        _probes.Writer.TryWrite(probe);
        return probe.Task;
    }

    /// <summary>Returns the next call once it is made.</summary>
    public async Task<PlayedCall> NextAsync() => await _calls.Reader.ReadAsync();

    /// <summary>Returns the next probe once it is made.</summary>
    public async Task<TaskCompletionSource<RateLimitDecision>> NextProbeAsync() => await _probes.Reader.ReadAsync();

    /// <summary>A grant that reports as many remaining permits as the request asked for, so that responses differ.</summary>
    public static RateLimitDecision Granted(RateLimitRequest request)
    {
        var window = new RateLimitWindow(RateLimits.MaxLimit, TimeSpan.FromSeconds(1));
        return new()
        {
            IsAllowed = true,
            Policy = request.Policy,
            Window = window,
            Windows = [window],
            Remaining = request.Permits,
            Source = RateLimitSource.Redis,
            DecidedAt = DateTimeOffset.UnixEpoch,
        };
    }
}

/// <summary>A call that the test answers.</summary>
internal sealed class PlayedCall(RateLimitRequest[] requests)
{
    private readonly TaskCompletionSource<RateLimitDecision[]> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RateLimitRequest[] Requests { get; } = requests;

    public Task<RateLimitDecision[]> Answered => _answer.Task;

    public void Answer() => _answer.SetResult([.. Requests.Select(PlayedGrain.Granted)]);

    public void Fail(Exception error) => _answer.SetException(error);
}
