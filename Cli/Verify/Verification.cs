using Actors.Cli.Commands;
using Actors.Cli.Connection;

namespace Actors.Cli.Verify;

/// <summary>
/// Checks cluster and database against a ledger: flushes and reads every user through its grain, then reads the database
/// directly. The users must not be written meanwhile.
/// </summary>
internal sealed class Verification(Ledger ledger, ICluster cluster, UserDatabase database, int concurrency, TimeProvider time)
{
    private static readonly TimeSpan OverloadPatience = TimeSpan.FromMinutes(5);

    private readonly Dictionary<string, StoredState> _inCluster = new(StringComparer.Ordinal);
    private long _checked;
    private long _rows;

    /// <summary>The number of the ledger's users found in the database.</summary>
    public long RowsFound { get; private set; }

    /// <summary>The progress, on one line.</summary>
    public string Describe() => _rows == 0
        ? $"flushed and read {Output.Text.Of(Interlocked.Read(ref _checked))} of {Output.Text.Count(ledger.Users.Count, "user")}"
        : $"read {Output.Text.Of(_rows)} rows of the database";

    /// <returns>All violations, by user.</returns>
    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellationToken)
    {
        await ReadClusterAsync(cancellationToken);
        var findings = new List<Finding>();
        var found = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var row in database.ReadAsync(cancellationToken))
        {
            _rows++;
            if (!ledger.Users.TryGetValue(row.Id, out var user))
                continue;
            found.Add(row.Id);
            findings.AddRange(Judge(user, row));
        }
        RowsFound = found.Count;
        foreach (var user in ledger.Users.Values.Where(user => !found.Contains(user.Id)))
            findings.AddRange(Judgement.Of(user, _inCluster.GetValueOrDefault(user.Id), null));
        return [.. findings.OrderBy(f => f.Id, StringComparer.Ordinal)];
    }

    private IReadOnlyList<Finding> Judge(LedgerUser user, UserRow row)
    {
        StoredState stored;
        try
        {
            stored = StoredState.Of(row.Version, row.State, user.State);
        }
        catch (FormatException e)
        {
            return [new(user.Id, Offence.Wrong, $"version {row.Version} in the database: {e.Message}")];
        }
        return Judgement.Of(user, _inCluster.GetValueOrDefault(user.Id), stored);
    }

    private Task ReadClusterAsync(CancellationToken cancellationToken)
    {
        var retry = new Retry(time, overloadPatience: OverloadPatience);
        var options = new ParallelOptions { MaxDegreeOfParallelism = concurrency, CancellationToken = cancellationToken };
        return Parallel.ForEachAsync(ledger.Users.Values, options, async (demanded, stop) =>
        {
            var user = cluster.User(demanded.Id);
            var current = await retry.RunAsync(
                async () =>
                {
                    try
                    {
                        await user.FlushAsync(stop);
                    }
                    catch (WriteParkedException)
                    {
                        // The user is in the table parked instead of users.
                    }

                    return await user.GetAsync(stop);
                },
                stop);
            if (current is not null)
            {
                var state = StoredState.Of(current, demanded.State);
                lock (_inCluster)
                    _inCluster.Add(demanded.Id, state);
            }
            Interlocked.Increment(ref _checked);
        });
    }
}
