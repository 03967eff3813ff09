using System.Text;
using Actors.Core;
using Actors.Redis;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging.Abstractions;

namespace Actors.Contracts;

/// <summary>The contract of the journal, run against Redis and its replacement. Each test has its own keys.</summary>
public abstract partial class JournalContract : IAsyncLifetime
{
    private protected const long Beyond53Bits = (1L << 53) + 1;

    private readonly string _prefix = $"journal-{Guid.NewGuid():n}";
    private RedisGateway _redis = null!;

    public static TheoryData<string> AwkwardKeys =>
        ["plain", "{tag}:user", "}{", "a b ", " ", "*?[a-z]", "\"'\\", "line\nbreak\r\t", "👩‍👩‍👧‍👦 Zoë 日本語", "\u0001", "\uffff", "0000000000000000", "-1", "nil"];

    private protected Journal Here { get; private set; } = null!;

    /// <summary>Starts the server if needed and returns its connection string.</summary>
    protected abstract Task<string> StartAsync();

    /// <summary>The command to send after a commit, if the server needs one.</summary>
    protected virtual string? CommitCommand => null;

    public async ValueTask InitializeAsync()
    {
        _redis = new RedisGateway(new RedisOptions
        {
            ConnectionString = await StartAsync(),
            KeyPrefix = _prefix,
            JournalCommitCommand = CommitCommand,
        }, Patience.Breaker);
        Here = Open("here");
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _redis.DisposeAsync();
    }

    private protected Journal Open(string silo) => new(_redis, silo, journaled: _ => { }, new WriteBehindCounters(), NullLogger.Instance);

    private protected static Row Make(Ownership owner, long version) =>
        new(owner.Key, version, owner.Epoch, Encoding.UTF8.GetBytes($"{{\"by\":\"{owner.Epoch}\",\"at\":{version}}}"));

    private protected static void AssertSame(Row? expected, Row? actual)
    {
        Assert.Equal((expected?.Key, expected?.Version, expected?.Epoch), (actual?.Key, actual?.Version, actual?.Epoch));
        if (expected is not null) Assert.Equal(Encoding.UTF8.GetString(expected.State.Span), Encoding.UTF8.GetString(actual!.State.Span));
    }

    private protected static async Task<List<Row>> AdoptAsync(Journal journal, params string[] gone)
    {
        var rows = new List<Row>();
        for (var partition = 0; partition < Partition.Count; partition++)
            await foreach (var row in journal.AdoptAsync(partition, gone.Contains, adopting: _ => Task.CompletedTask, CancellationToken.None)) rows.Add(row);
        return rows;
    }

    private protected static Task TrimAsync(Journal journal, Ownership owner, long version) =>
        journal.TrimAsync([new FlushedRow(owner.Key, version, owner.Epoch)]);

    private protected async Task<RedisLook> LookAsync() => await RedisLook.OpenAsync(await StartAsync(), _prefix);
}
