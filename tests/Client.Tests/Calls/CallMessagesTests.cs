using System.Collections.Concurrent;
using Actors.Calls;
using Actors.Client.Tests.Repetition;
using Orleans.Serialization;
using Orleans.Serialization.Invocation;

namespace Actors.Client.Tests.Calls;

/// <summary>Which calls travel together, and what becomes of them if a message or an answer is lost.</summary>
public sealed class CallMessagesTests : IDisposable
{
    private readonly PlayedService _service = new();
    private readonly LateAnswers _late = new(observer => observer);
    private readonly LostCalls _lost = new(_ => Task.FromResult<SiloDeath[]>([]), TimeProvider.System);
    private readonly ActorsClientOptions _options = new();
    private bool _isLive = true;
    private int _made;

    public void Dispose() => _lost.Dispose();

    [Fact]
    public async Task First_three_calls_go_at_once_and_later_ones_share_messages()
    {
        var messages = await OpenAsync();
        var calls = Enumerable.Range(0, 700).Select(_ => Add(messages)).ToList();
        Assert.Equal([1, 1, 1], _service.Sizes);
        _service.AnswerAll();
        await Task.WhenAll(calls.Select(call => call.Settled)).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal([1, 1, 1, 185, 256, 256], _service.Sizes.Order());
        Assert.All(calls, call => Assert.Equal("answer", call.Outcome));

        // Nothing is left behind: the next one goes at once again.
        var next = Add(messages);
        await next.Settled.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(1, _service.Sizes[^1]);
    }

    [Fact]
    public async Task Call_that_is_cancelled_while_it_waits_is_not_sent()
    {
        var messages = await OpenAsync();
        var calls = Enumerable.Range(0, 5).Select(_ => Add(messages)).ToList();
        calls[3].Cancel();
        _service.AnswerAll();
        await calls[4].Settled.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal([1, 1, 1, 1], _service.Sizes);
        Assert.Equal("cancelled", calls[3].Outcome);
    }

    [Fact]
    public async Task Failed_message_fails_its_calls_and_pauses_messages()
    {
        var messages = await OpenAsync();
        _service.Failure = new InvalidOperationException("no such service");
        var call = Add(messages);
        await call.Settled.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal("no such service", call.Error!.InnerException!.Message);
        Assert.False(messages.TryAdd(new TestCall(_made++)));

        _service.Failure = null;
        await OpenAsync(messages);
    }

    [Fact]
    public async Task Silo_that_does_not_know_messages_is_sent_no_calls()
    {
        _service.Failure = new TypeLoadException("unknown type");
        var messages = new CallMessages(_service, () => _isLive, _late, _lost, _options, (_, _) => { });
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));

        // It is asked again after a pause.
        for (; _service.Received < 3; await Task.Delay(10, limit.Token))
            Assert.False(messages.TryAdd(new TestCall(_made++)));
        Assert.Empty(_service.Sizes);
    }

    [Fact]
    public async Task Message_without_an_answer_holds_up_no_others()
    {
        var messages = await OpenAsync();
        var calls = Enumerable.Range(0, 3).Select(_ => Add(messages)).ToList();
        calls.Add(Add(messages));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (_service.Sizes.Length < 4) await Task.Delay(10, limit.Token);
        Assert.All(calls, call => Assert.False(call.Settled.IsCompleted));
    }

    [Fact]
    public async Task Calls_to_a_gateway_that_is_not_connected_are_left_to_Orleans()
    {
        var messages = await OpenAsync();
        _isLive = false;
        var call = Add(messages, nameof(IUserGrain.UpdateAsync));
        await call.Settled.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal("alone", call.Outcome);
        Assert.Empty(_service.Sizes);
    }

    [Fact]
    public async Task Calls_that_wait_when_a_message_fails_are_left_to_Orleans()
    {
        var messages = await OpenAsync();
        var calls = Enumerable.Range(0, 5).Select(_ => Add(messages)).ToList();
        _service.Fails(new TypeLoadException("unknown type"));
        await Task.WhenAll(calls.Select(call => call.Settled)).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.All(calls.Take(3), call => Assert.Equal("A message of several calls failed.", call.Outcome));
        Assert.All(calls.Skip(3), call => Assert.Equal("alone", call.Outcome));
    }

    [Fact]
    public async Task Slow_call_ends_with_the_response_timeout_if_that_is_shorter()
    {
        (_options.AttemptTimeout, _options.ResponseTimeout) = (TimeSpan.FromMinutes(10), TimeSpan.FromMilliseconds(300));
        var messages = await OpenAsync();
        _service.LeavesOut = (_, _) => true;
        _service.AnswerAll();
        var (read, write) = (Add(messages), Add(messages, nameof(IUserGrain.UpdateAsync)));
        await Task.WhenAll(read.Settled, write.Settled).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Contains("not answered within 00:00:00.3", write.Outcome, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(typeof(InvalidOperationException))]
    [InlineData(typeof(SerializerException))]
    public async Task Message_that_cannot_be_written_leaves_reads_to_be_made_again(Type type)
    {
        var messages = await OpenAsync();
        _service.Failure = (Exception)Activator.CreateInstance(type, "one of its calls is not serializable")!;
        var read = Add(messages);
        await read.Settled.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.True(RetryClassifier.MayHaveBegun(read.Error!));
    }

    [Fact]
    public async Task Answers_that_come_later_reach_their_calls_and_hold_up_no_others()
    {
        var messages = await OpenAsync();
        _service.LeavesOut = (number, _) => number <= 3;
        var slow = Enumerable.Range(0, 3).Select(_ => Add(messages)).ToList();
        _service.AnswerAll();
        var quick = Add(messages);
        await quick.Settled.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.All(slow, call => Assert.False(call.Settled.IsCompleted));
        await _late.AnswerAsync([.. slow.Select((_, number) => new LateAnswer(number + 1, 0, Response.FromResult("late")))]);
        Assert.All(slow, call => Assert.Equal("answer", call.Outcome));

        // Unknown ones are ignored.
        await _late.AnswerAsync([new(77, 0, Response.Completed)]);
    }

    [Fact]
    public async Task Calls_that_the_silo_returns_are_left_to_Orleans()
    {
        var messages = await OpenAsync();

        // In the fourth message: one answered, one returned, one late, one answered.
        _service.Returns = (number, call) => number == 4 && call == 1;
        _service.LeavesOut = (number, call) => number == 4 && call == 2;
        var calls = Enumerable.Range(0, 7).Select(_ => Add(messages, nameof(IUserGrain.UpdateAsync))).ToList();
        _service.AnswerAll();
        await Task.WhenAll(calls.Where((_, number) => number != 5).Select(call => call.Settled)).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(["answer", "answer", "answer", "answer", "alone", "answer"], calls.Where((_, number) => number != 5).Select(call => call.Outcome));
        Assert.False(calls[5].Settled.IsCompleted);
        await _late.AnswerAsync([new(4, 2, Response.FromResult("late"))]);
        Assert.Equal("answer", calls[5].Outcome);
    }

    [Fact]
    public async Task Calls_that_must_not_be_repeated_go_alone_while_most_of_them_are_returned()
    {
        var messages = await OpenAsync();
        _service.Returns = (_, _) => true;

        // Three messages with one call, and one with four.
        var returned = Enumerable.Range(0, 7).Select(_ => Add(messages, nameof(IUserGrain.UpdateAsync))).ToList();
        _service.AnswerAll();
        await Task.WhenAll(returned.Select(call => call.Settled)).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.All(returned, call => Assert.Equal("alone", call.Outcome));
        Assert.False(messages.TryAdd(new TestCall(_made++, nameof(IUserGrain.UpdateAsync))));

        // Others are not concerned, and the silo is tried again.
        _service.Returns = (_, _) => false;
        await Add(messages).Settled.WaitAsync(TimeSpan.FromSeconds(30));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!messages.TryAdd(new TestCall(_made++, nameof(IUserGrain.UpdateAsync)))) await Task.Delay(10, limit.Token);
    }

    [Fact]
    public async Task Call_without_an_answer_fails_when_it_would_have_failed_alone()
    {
        (_options.AttemptTimeout, _options.ResponseTimeout) = (TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(5));
        var messages = await OpenAsync();
        _service.LeavesOut = (_, _) => true;
        _service.AnswerAll();
        var (read, write) = (Add(messages), Add(messages, nameof(IUserGrain.UpdateAsync)));
        await read.Settled.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Contains("not answered within 00:00:00.2", read.Outcome, StringComparison.Ordinal);
        Assert.False(write.Settled.IsCompleted);
        await write.Settled.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Contains("not answered within 00:00:05", write.Outcome, StringComparison.Ordinal);
    }

    /// <summary>Messages to a silo that is known to take them.</summary>
    private async Task<CallMessages> OpenAsync()
    {
        var messages = new CallMessages(_service, () => _isLive, _late, _lost, _options, (_, _) => { });
        await OpenAsync(messages);
        return messages;
    }

    private async Task OpenAsync(CallMessages messages)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var cancelled = new TestCall(_made++);
        cancelled.Cancel();

        // Not sent, because nobody waits for it.
        while (!messages.TryAdd(cancelled)) await Task.Delay(10, limit.Token);
    }

    private TestCall Add(CallMessages messages, string method = nameof(IUserGrain.GetAsync))
    {
        var call = new TestCall(_made++, method);
        Assert.True(messages.TryAdd(call));
        return call;
    }

    /// <summary>A call that records how it ended.</summary>
    private sealed class TestCall(int number, string method = nameof(IUserGrain.GetAsync))
        : CoalescedCall(GrainId.Create("user", $"{number}"), PlayedRequest.Of(typeof(IUserGrain), method, new UserPatch(), null, CancellationToken.None))
    {
        private readonly TaskCompletionSource<string> _outcome = new();

        public override Task Settled => _outcome.Task;

        public string Outcome => _outcome.Task.Result;

        public void Cancel() => _outcome.TrySetResult("cancelled");

        public override void Answer(Response answer) => _outcome.TrySetResult("answer");

        public Exception? Error { get; private set; }

        public override void Fail(Exception error)
        {
            Error = error;
            _outcome.TrySetResult(error.Message);
        }

        public override void SendAlone() => _outcome.TrySetResult("alone");

        public override void Drop() => Assert.True(IsSettled);
    }

    /// <summary>A silo whose answers are held back until <see cref="AnswerAll"/>.</summary>
    private sealed class PlayedService : ICallService
    {
        private readonly TaskCompletionSource _answers = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ConcurrentQueue<int> _sizes = new();

        public int[] Sizes => [.. _sizes];

        public Exception? Failure { get; set; }

        /// <summary>Whether a message is answered without the answer of a call.</summary>
        public Func<long, int, bool> LeavesOut { get; set; } = (_, _) => false;

        /// <summary>Whether a call of a message is returned.</summary>
        public Func<long, int, bool> Returns { get; set; } = (_, _) => false;

        /// <summary>The number of messages, with or without calls.</summary>
        public int Received { get; private set; }

        public void AnswerAll() => _answers.TrySetResult();

        public void Fails(Exception error) => _answers.TrySetException(error);

        public async Task<CallAnswers> InvokeAsync(CallMessage message, ICallObserver late)
        {
            Received++;
            if (Failure is not null) throw Failure;
            if (message.Requests.Length == 0) return new([], 0, null, null);
            _sizes.Enqueue(message.Requests.Length);
            await _answers.Task;
            var calls = Enumerable.Range(0, message.Requests.Length).ToList();
            return new(
                [.. calls.Select(call => LeavesOut(message.Number, call) || Returns(message.Number, call) ? null : Response.Completed)], 0, null,
                [.. calls.Where(call => Returns(message.Number, call))]);
        }
    }
}
