using System.Collections.Concurrent;
using System.Text;
using Actors.Core;
using Actors.WriteBehind;

namespace Actors.Contracts;

/// <summary>The actions of an owner.</summary>
internal enum JournalStep
{
    Claim,
    Append,
    Release,
    Flush,
    Adopt,
}

/// <summary>Owners on several silos that use the same keys concurrently, with a record of all actions and responses.</summary>
internal sealed class JournalSchedule
{
    private const long FirstVersion = (1L << 53) - 2;

    private readonly Func<string, Journal> _open;
    private readonly string[] _keys;

    // Each call takes a number at its start and at its end. It follows another call if its start is greater than the end of
    // that call.
    private readonly ConcurrentBag<(string Key, long Epoch, string Silo, long Ended)> _claims = [];
    private readonly ConcurrentBag<(Row Row, string Silo, long Began, long Ended)> _acknowledged = [];
    private readonly ConcurrentBag<(string Silo, long Began, long Ended)> _adoptions = [];
    private readonly ConcurrentDictionary<string, long> _trimmed = new();

    // Replaces the table: the flushed rows.
    private readonly ConcurrentDictionary<string, Row> _table = new();
    private long _time;

    public JournalSchedule(Func<string, Journal> open, int keys)
    {
        _open = open;
        _keys = [.. Enumerable.Range(0, keys).Select(i => $"{{k}} {i} 👋 {Guid.NewGuid():n}")];
    }

    private long Now => Interlocked.Increment(ref _time);

    public async Task CheckAsync(RedisLook look)
    {
        foreach (var (row, silo, began, _) in _acknowledged)
        {
            Assert.DoesNotContain(_claims, claim => claim.Key == row.Key && claim.Epoch > row.Epoch && claim.Ended < began);
            var claimed = _claims.Single(claim => claim.Key == row.Key && claim.Epoch == row.Epoch).Ended;
            Assert.DoesNotContain(_adoptions, adoption => adoption.Silo == silo && claimed < adoption.Began && adoption.Ended < began);
        }

        foreach (var key in _keys)
        {
            var rows = _acknowledged.Select(each => each.Row).Where(row => row.Key == key).ToList();
            Assert.Equal(rows.Count, rows.Select(row => row.Version).Distinct().Count());
            var journaled = await look.RowAsync(key);
            var flushed = _table.GetValueOrDefault(key);
            if (rows.Count == 0)
            {
                Assert.Null(journaled);
                continue;
            }

            if (journaled is not null) Assert.True(journaled.Version > _trimmed.GetValueOrDefault(key), "a row remained after it was trimmed");
            var last = rows.MaxBy(row => row.Version)!;
            var kept = journaled is null || flushed?.Version > journaled.Version ? flushed : journaled;
            AssertSame(last, Assert.IsType<Row>(kept));
        }
    }

    private static Row Make(string key, long version, long epoch) => new(key, version, epoch, Encoding.UTF8.GetBytes($"{epoch}:{version}"));

    private static void AssertSame(Row expected, Row actual) => Assert.Equal(
        (expected.Key, expected.Version, expected.Epoch, Encoding.UTF8.GetString(expected.State.Span)),
        (actual.Key, actual.Version, actual.Epoch, Encoding.UTF8.GetString(actual.State.Span)));

    private void Commit(Row row) => _table.AddOrUpdate(row.Key, row, (_, there) => there.Version < row.Version ? row : there);

    /// <summary>One silo, which owns each key at most once at a time and acts sequentially.</summary>
    internal sealed class Actor(JournalSchedule schedule, int index)
    {
        private readonly string _silo = $"silo-{index}";
        private readonly Journal _journal = schedule._open($"silo-{index}");
        private readonly Dictionary<string, (Ownership Owner, long Version)> _owned = [];

        public Task DoAsync(JournalStep step, int key) => step switch
        {
            JournalStep.Claim => ClaimAsync(schedule._keys[key]),
            JournalStep.Append => AppendAsync(schedule._keys[key]),
            JournalStep.Release => ReleaseAsync(schedule._keys[key]),
            JournalStep.Flush => FlushAsync(schedule._keys[key]),
            _ => AdoptAsync($"silo-{(index + 1 + key) % 4}"),
        };

        private async Task ClaimAsync(string key)
        {
            var began = schedule.Now;
            var known = schedule._acknowledged.Where(each => each.Row.Key == key && each.Ended < began).Select(each => each.Row.Version);
            var atLeast = known.DefaultIfEmpty().Max();
            var (owner, journaled) = await _journal.ClaimAsync(key);
            schedule._claims.Add((key, owner.Epoch, _silo, schedule.Now));
            if (journaled is not null) AssertSame(Make(key, journaled.Version, journaled.Epoch), journaled);
            var version = Math.Max(journaled?.Version ?? FirstVersion, schedule._table.GetValueOrDefault(key)?.Version ?? FirstVersion);
            Assert.True(version >= atLeast, $"claimed at version {version}, but version {atLeast} was acknowledged earlier");
            _owned[key] = (owner, version);
        }

        private async Task AppendAsync(string key)
        {
            if (!_owned.TryGetValue(key, out var mine))
            {
                await ClaimAsync(key);
                mine = _owned[key];
            }

            // A few at once, like concurrent writes to one user.
            var count = 1 + (int)(mine.Version % 3);
            var outcomes = await Task.WhenAll(Enumerable.Range(1, count).Select(async i =>
            {
                var row = Make(key, mine.Version + i, mine.Owner.Epoch);
                var began = schedule.Now;
                var outcome = await _journal.AppendAsync(row);
                if (outcome == AppendOutcome.Journaled) schedule._acknowledged.Add((row, _silo, began, schedule.Now));
                return outcome;
            }));
            Assert.DoesNotContain(AppendOutcome.Unavailable, outcomes);
            if (outcomes.Contains(AppendOutcome.Fenced)) _owned.Remove(key);
            else _owned[key] = (mine.Owner, mine.Version + count);
        }

        private async Task ReleaseAsync(string key)
        {
            if (_owned.Remove(key, out var mine)) await _journal.ReleaseAsync(mine.Owner);
        }

        private async Task FlushAsync(string key)
        {
            var mine = schedule._acknowledged.Where(each => each.Row.Key == key && each.Silo == _silo).Select(each => each.Row);
            if (mine.MaxBy(row => row.Version) is { } last) await FlushAsync(last);
        }

        private async Task FlushAsync(Row row)
        {
            schedule.Commit(row);
            await _journal.TrimAsync([new(row.Key, row.Version, row.Epoch)]);
            schedule._trimmed.AddOrUpdate(row.Key, row.Version, (_, version) => Math.Max(version, row.Version));
        }

        private async Task AdoptAsync(string silo)
        {
            if (silo == _silo) return;
            var began = schedule.Now;
            var rows = new List<Row>();
            for (var partition = 0; partition < Partition.Count; partition++)
                await foreach (var row in _journal.AdoptAsync(partition, name => name == silo, adopting: _ => Task.CompletedTask, CancellationToken.None)) rows.Add(row);
            schedule._adoptions.Add((silo, began, schedule.Now));
            foreach (var row in rows)
            {
                AssertSame(Make(row.Key, row.Version, row.Epoch), row);
                await FlushAsync(row);
            }
        }
    }
}
