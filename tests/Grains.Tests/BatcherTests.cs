using System.Threading.Channels;
using Actors.Core;

namespace Actors.Grains.Tests;

/// <summary>Questions that come while a batch is answered go together with the next one.</summary>
public sealed class BatcherTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly Channel<Batch> _batches = Channel.CreateUnbounded<Batch>();

    [Fact]
    public async Task Single_question_is_asked_at_once()
    {
        var batcher = Open();
        var answer = batcher.AskAsync(7);
        var batch = await NextAsync();
        Assert.Equal([7], batch.Questions);
        batch.Answer();
        Assert.Equal("7", await answer.WaitAsync(Limit));
    }

    [Fact]
    public async Task Questions_during_a_batch_gather_in_their_order()
    {
        var batcher = Open();
        var answers = new List<Task<string>> { batcher.AskAsync(0) };
        var first = await NextAsync();
        for (var i = 1; i <= 5; i++) answers.Add(batcher.AskAsync(i));
        Assert.False(_batches.Reader.TryPeek(out _));
        first.Answer();

        var second = await NextAsync();
        Assert.Equal([1, 2, 3, 4, 5], second.Questions);
        second.Answer();
        Assert.Equal(["0", "1", "2", "3", "4", "5"], await Task.WhenAll(answers).WaitAsync(Limit));
    }

    [Fact]
    public async Task Full_batch_takes_no_more_questions()
    {
        var batcher = Open(maxBatch: 2);
        var answers = Enumerable.Range(0, 6).Select(batcher.AskAsync).ToList();
        var asked = new List<int>();
        while (asked.Count < 6)
        {
            var batch = await NextAsync();
            Assert.InRange(batch.Questions.Count, 1, 2);
            asked.AddRange(batch.Questions);
            batch.Answer();
        }

        Assert.Equal([0, 1, 2, 3, 4, 5], asked);
        Assert.Equal(["0", "1", "2", "3", "4", "5"], await Task.WhenAll(answers).WaitAsync(Limit));
    }

    [Fact]
    public async Task Question_while_a_batch_is_under_way_is_not_added_to_it()
    {
        var batcher = Open(maxBatch: 10);
        _ = batcher.AskAsync(0);
        var first = await NextAsync();
        var late = batcher.AskAsync(1);
        Assert.Equal([0], first.Questions);
        first.Answer();
        (await NextAsync()).Answer();
        Assert.Equal("1", await late.WaitAsync(Limit));
    }

    [Fact]
    public async Task Failure_is_reported_to_its_batch_only()
    {
        var batcher = Open();
        var first = batcher.AskAsync(0);
        var failing = await NextAsync();
        var second = batcher.AskAsync(1);
        failing.Answers.SetException(new InvalidOperationException("down"));

        Assert.Equal("down", (await Assert.ThrowsAsync<InvalidOperationException>(() => first.WaitAsync(Limit))).Message);
        (await NextAsync()).Answer();
        Assert.Equal("1", await second.WaitAsync(Limit));
    }

    [Fact]
    public async Task Function_that_throws_at_once_does_not_end_the_batcher()
    {
        var isBroken = true;
        var batcher = new Batcher<int, string>(10, questions => isBroken
            ? throw new InvalidOperationException("down")
            : Task.FromResult<IReadOnlyList<string>>([.. questions.Select(_ => "up")]));
        await Assert.ThrowsAsync<InvalidOperationException>(() => batcher.AskAsync(1).WaitAsync(Limit));
        isBroken = false;
        Assert.Equal("up", await batcher.AskAsync(2).WaitAsync(Limit));
    }

    [Fact]
    public async Task Every_caller_gets_its_own_answer_and_batches_never_overlap()
    {
        var (running, most) = (0, 0);
        var batcher = new Batcher<int, int>(7, async questions =>
        {
            most = Math.Max(most, Interlocked.Increment(ref running));
            Assert.InRange(questions.Count, 1, 7);
            await Task.Yield();
            Interlocked.Decrement(ref running);
            return [.. questions.Select(question => question * 2)];
        });
        await Parallel.ForAsync(0, 5_000, TestContext.Current.CancellationToken, async (i, token) =>
            Assert.Equal(2 * i, await batcher.AskAsync(i).WaitAsync(Limit, token)));
        Assert.Equal(1, most);
    }

    private Batcher<int, string> Open(int maxBatch = 100) => new(maxBatch, questions =>
    {
        var batch = new Batch([.. questions]);
        _batches.Writer.TryWrite(batch);
        return batch.Answers.Task;
    });

    private async Task<Batch> NextAsync() => await _batches.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Limit);

    /// <summary>A batch that the test answers.</summary>
    private sealed record Batch(IReadOnlyList<int> Questions)
    {
        public TaskCompletionSource<IReadOnlyList<string>> Answers { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Answer() => Answers.SetResult([.. Questions.Select(question => $"{question}")]);
    }
}
