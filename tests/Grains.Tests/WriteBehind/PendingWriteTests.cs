using Actors.Core;
using Actors.Fixtures;
using Actors.WriteBehind;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>Writes whose answers of the journal are given by the test, over a real queue and table.</summary>
[NeedsServers]
public sealed class PendingWriteTests(PostgresFixture postgres, RedisFixture redis) : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private PostgresRowStore _table = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _table = new PostgresRowStore(await postgres.Server.CreateDatabaseAsync());
        await _table.MigrateAsync(Token);
    }

    public ValueTask DisposeAsync() => _table.DisposeAsync();

    [Theory]
    [InlineData(nameof(AppendOutcome.Journaled), 0)]
    [InlineData(nameof(AppendOutcome.Fenced), 0)]
    [InlineData(nameof(AppendOutcome.Unavailable), 1)]
    [InlineData(nameof(AppendOutcome.Unknown), 1)]
    public async Task Room_is_released_once_by_the_first_answer(string answer, int queued)
    {
        await using var bench = Open();
        var write = Begin(bench, new Ownership("k", 1), 1);

        // The room of another write shows if too much is released.
        var other = Begin(bench, new Ownership("o", 1), 1);
        Assert.Equal(write.Row.Bytes + other.Row.Bytes, bench.Queue.Backlog.Bytes);

        write.Answer(Enum.Parse<AppendOutcome>(answer));
        write.Answer(AppendOutcome.Unknown);
        write.Release();

        Assert.Equal(answer, $"{await write.Answered}");
        Assert.Equal((queued, (queued * write.Row.Bytes) + other.Row.Bytes), (bench.Queue.Backlog.Rows, bench.Queue.Backlog.Bytes));
    }

    [Theory]
    [InlineData(nameof(AppendOutcome.Unavailable), nameof(WriteOutcome.NotWritten))]
    [InlineData(nameof(AppendOutcome.Unknown), nameof(WriteOutcome.Unknown))]
    public async Task Row_that_builds_on_a_refused_one_does_not_bypass_the_journal(string answer, string expected)
    {
        await using var bench = Open();
        var owner = new Ownership("k", 1);
        var first = Begin(bench, owner, 1, Durability.Memory);
        var later = Enum.GetValues<Durability>().Select((durability, i) => Begin(bench, owner, 2 + i, durability)).ToList();

        first.Answer(AppendOutcome.Fenced);
        foreach (var write in later) write.Answer(Enum.Parse<AppendOutcome>(answer));

        Assert.Equal(WriteOutcome.NotWritten, (await first.ReachAsync()).Outcome);
        foreach (var write in later) Assert.Equal((expected, expected), ($"{(await write.ReachAsync()).Outcome}", $"{(await write.CommittedAsync()).Outcome}"));
        Assert.Equal((0, 0L), (bench.Queue.Backlog.Rows, bench.Queue.Backlog.Bytes));
    }

    // Version 2, refused because the table holds a row of another owner.
    [Theory]
    [InlineData(nameof(AppendOutcome.Journaled), 3, nameof(WriteOutcome.WrittenByNextOwner))]
    [InlineData(nameof(AppendOutcome.Journaled), 2, nameof(WriteOutcome.LeftInJournal))]
    [InlineData(nameof(AppendOutcome.Unknown), 3, nameof(WriteOutcome.Unknown))]
    [InlineData(nameof(AppendOutcome.Unknown), 2, nameof(WriteOutcome.Unknown))]
    [InlineData(nameof(AppendOutcome.Unavailable), 3, nameof(WriteOutcome.NotWritten))]
    [InlineData(nameof(AppendOutcome.Unavailable), 2, nameof(WriteOutcome.NotWritten))]
    public async Task Refused_commit_means_what_the_journal_answered(string answer, long stored, string expected)
    {
        await using var bench = Open();
        await _table.UpsertAsync([QueueBench.Make("k", stored, epoch: 9)], Token);
        var owner = new Ownership("k", 1);
        var write = Begin(bench, owner, 2);
        if (answer == nameof(AppendOutcome.Journaled)) bench.Queue.Enqueue(write.Row);
        write.Answer(Enum.Parse<AppendOutcome>(answer));
        var reaching = write.ReachAsync().AsTask();

        bench.Queue.Start();

        Assert.Equal(expected, $"{(await reaching.WaitAsync(Limit, Token)).Outcome}");
        Assert.True(owner.IsLost);
    }

    [Theory]
    [InlineData(Durability.Journal)]
    [InlineData(Durability.Database)]
    public async Task Refusal_before_the_writer_asks_for_the_commit_is_not_missed(Durability durability)
    {
        await using var bench = Open();
        await _table.UpsertAsync([QueueBench.Make("k", 3, epoch: 9)], Token);
        bench.Queue.Start();
        var write = Begin(bench, new Ownership("k", 1), 2, durability);

        write.Answer(AppendOutcome.Unavailable);
        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Queue.Backlog.Rows == 0));

        Assert.Equal(WriteOutcome.NotWritten, (await write.ReachAsync()).Outcome);
    }

    [Fact]
    public async Task Commit_that_times_out_is_unconfirmed_and_still_waited_for()
    {
        await using var bench = Open(new() { CommitTimeout = TimeSpan.FromMilliseconds(100), FlushInterval = TimeSpan.FromMilliseconds(5) });
        var write = Begin(bench, new Ownership("k", 1), 1);
        var early = write.ReachAsync().AsTask();
        Assert.False(early.IsCompleted);
        write.Answer(AppendOutcome.Unavailable);

        foreach (var result in (WriteResult[])[await early, await write.ReachAsync()])
        {
            Assert.Equal(WriteOutcome.Unconfirmed, result.Outcome);
            Assert.Contains("did not commit 'k' within 0.1 s", result.Reason, StringComparison.Ordinal);
        }

        var later = write.CommittedAsync();
        bench.Queue.Start();
        Assert.Equal(WriteResult.Reached(Durability.Database, isJournaled: false), await later.WaitAsync(Limit, Token));
    }

    [Fact]
    public async Task Failure_to_handle_an_answer_concerns_its_caller_only()
    {
        var failing = new FailingAppend(QueueBench.Make("k", 1));
        var batch = new JournalBatch();
        var next = new PendingAppend(QueueBench.Make("l", 1));
        batch.Add(failing);
        batch.Add(next);

        batch.Fail(AppendOutcome.Unavailable);

        await Assert.ThrowsAsync<InvalidOperationException>(() => failing.Answered);
        Assert.Equal(AppendOutcome.Unavailable, await next.Answered);
    }

    private static PendingWrite Begin(QueueBench bench, Ownership owner, long version, Durability durability = Durability.Database)
    {
        var write = new PendingWrite(bench.Queue, owner, QueueBench.Make(owner.Key, version, owner.Epoch), durability);
        bench.Queue.Reserve(write.Row);
        return write;
    }

    private QueueBench Open(WriteBehindOptions? options = null) => new(redis.Open(), new FaultyStore(_table), options);

    private sealed class FailingAppend(Row row) : PendingAppend(row)
    {
        protected override void OnAnswer(AppendOutcome outcome) => throw new InvalidOperationException();
    }
}
