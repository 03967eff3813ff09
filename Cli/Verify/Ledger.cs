using Actors.Cli.Commands;
using Actors.Cli.Import;
using Actors.Cli.Load;
using Actors.Cli.Output;

namespace Actors.Cli.Verify;

/// <summary>The requirement of a ledger for one user.</summary>
internal sealed class LedgerUser(string id)
{
    private readonly List<long> _versions = [];

    public string Id { get; } = id;

    /// <summary>The latest version acknowledged as durable in journal or database.</summary>
    public long Version { get; private set; }

    /// <summary>The required state at that version, as UTF-8 JSON.</summary>
    public ReadOnlyMemory<byte> State { get; private set; }

    public void Add(LedgerEntry entry)
    {
        _versions.Add(entry.Version);
        if (entry.Version > Version)
            (Version, State) = (entry.Version, entry.State);
    }

    /// <summary>A version that was acknowledged twice, or null. Two writes cannot both have created it.</summary>
    public long? RepeatedVersion()
    {
        _versions.Sort();
        for (var i = 1; i < _versions.Count; i++)
        {
            if (_versions[i] == _versions[i - 1])
                return _versions[i];
        }
        return null;
    }
}

/// <summary>The content of a ledger.</summary>
internal sealed class Ledger
{
    private readonly Dictionary<string, LedgerUser> _users = new(StringComparer.Ordinal);

    /// <summary>The users with at least one write acknowledged as durable in journal or database.</summary>
    public IReadOnlyDictionary<string, LedgerUser> Users => _users;

    /// <summary>Writes acknowledged as durable in journal or database.</summary>
    public long Writes { get; private set; }

    /// <summary>Writes acknowledged in memory only. They are not required, because a silo that dies may lose them.</summary>
    public long MemoryWrites { get; private set; }

    /// <summary>True if the last line is truncated, as after the kill of a load.</summary>
    public bool IsCutOff { get; private set; }

    public void Add(LedgerEntry entry)
    {
        if (entry.Durability == Durability.Memory)
        {
            MemoryWrites++;
            return;
        }
        Writes++;
        if (!_users.TryGetValue(entry.Id, out var user))
            _users.Add(entry.Id, user = new(entry.Id));
        user.Add(entry);
    }

    /// <exception cref="UsageException">A line is not a ledger entry.</exception>
    public static async Task<Ledger> ReadAsync(Stream stream, string name, CancellationToken cancellationToken)
    {
        var ledger = new Ledger();
        await foreach (var line in LineReader.ReadAsync(stream, cancellationToken))
        {
            if (line.Bytes is { } blank && blank.AsSpan().Trim(" \t\r\n"u8).IsEmpty)
                continue;
            try
            {
                ledger.Add(LedgerEntry.Parse(line.Bytes ?? throw new FormatException("it is too long")));
            }
            catch (FormatException e)
            {
                if (line.Bytes is [.., not (byte)'\n'])
                {
                    ledger.IsCutOff = true;
                    break;
                }
                throw new UsageException($"line {line.Number} of '{Text.Short(name)}' is invalid: {e.Message}");
            }
        }
        return ledger;
    }
}
