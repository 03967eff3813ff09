namespace Actors.WriteBehind;

/// <summary>
/// The scripts over one partition of the journal. They run on Redis 7 (Lua 5.1) and on Garnet (Lua 5.4).
/// </summary>
/// <remarks>
/// Two hashes by key hold a partition:
/// <list type="bullet">
/// <item><c>rows</c>: version, epoch, state: the latest journaled state that is not yet flushed.</item>
/// <item><c>owners</c>: epoch, silo: which activation may write the key (epoch 0: none), and the silo responsible for flushing
/// it. It does not change while its owner writes, so a write changes one field, not two.</item>
/// </list>
/// Version is 16 hexadecimal digits and epoch 16 decimal digits, so that text comparison orders numbers; Lua's doubles could not
/// beyond 2^53. <c>epoch</c> is the last epoch issued in the partition: the server's clock in microseconds, or the last plus one
/// if that is later. So none is issued twice, even if Redis comes back empty or without its last writes. <c>last:SILO</c> is the
/// number of the last append of a silo.
/// </remarks>
internal static class JournalScripts
{
    /// <summary>
    /// KEYS owners, rows, epoch; ARGV silo, key, key, … Makes a new owner of each key and fences any former owner. Returns for each
    /// key the epoch, the row, and the silo of a former owner that had not released it.
    /// </summary>
    public const string Claim = """
        local unpack = table.unpack or unpack
        local count = #ARGV - 1
        local rows = redis.call('HMGET', KEYS[2], unpack(ARGV, 2))
        local former = redis.call('HMGET', KEYS[1], unpack(ARGV, 2))
        local last = tonumber(redis.call('GET', KEYS[3]) or '0')
        local now = redis.call('TIME')
        local first = now[1] * 1000000 + now[2]
        if first <= last then first = last + 1 end
        redis.call('SET', KEYS[3], string.format('%.0f', first + count - 1))
        local owners, claims = {}, {}
        for i = 1, count do
          local epoch = string.format('%016.0f', first + i - 1)
          owners[2 * i - 1] = ARGV[i + 1]
          owners[2 * i] = epoch .. ARGV[1]
          claims[3 * i - 2] = epoch
          claims[3 * i - 1] = rows[i]
          claims[3 * i] = former[i] and string.sub(former[i], 1, 16) ~= '0000000000000000' and string.sub(former[i], 17) or false
        end
        redis.call('HSET', KEYS[1], unpack(owners))
        return claims
        """;

    /// <summary>
    /// KEYS owners, rows, last; ARGV number, key, row, key, row, … Stores each row whose epoch still owns its key. Returns the
    /// positions (from 1) of the others. The appends of a silo are numbered. An append that arrives after a later one (from an
    /// abandoned connection after Redis hung) stores nothing, so no row replaces a later one.
    /// </summary>
    public const string Append = """
        local unpack, sub = table.unpack or unpack, string.sub
        local last = redis.call('GET', KEYS[3])
        if last and last >= ARGV[1] then return redis.error_reply('LATE a later append of this silo came first') end
        redis.call('SET', KEYS[3], ARGV[1], 'EX', 3600)
        local keys = {}
        for i = 2, #ARGV, 2 do keys[#keys + 1] = ARGV[i] end
        local owners = redis.call('HMGET', KEYS[1], unpack(keys))
        local fenced = {}
        for i = 1, #keys do
          local owner = owners[i]
          if not owner or sub(owner, 1, 16) ~= sub(ARGV[2 * i + 1], 17, 32) then fenced[#fenced + 1] = i end
        end
        if #fenced == 0 then
          redis.call('HSET', KEYS[2], unpack(ARGV, 2))
        elseif #fenced < #keys then
          local rows, next = {}, 1
          for i = 1, #keys do
            if fenced[next] == i then
              next = next + 1
            else
              rows[#rows + 1] = keys[i]
              rows[#rows + 1] = ARGV[2 * i + 1]
            end
          end
          redis.call('HSET', KEYS[2], unpack(rows))
        end
        return fenced
        """;

    /// <summary>
    /// KEYS owners, rows; ARGV key, version and epoch, key, … Removes each row that is the flushed one or an earlier version, and
    /// then also an owner entry with epoch 0. A row of the same version from another epoch is not in the database, and stays.
    /// </summary>
    public const string Trim = """
        local unpack, sub = table.unpack or unpack, string.sub
        local keys = {}
        for i = 1, #ARGV, 2 do keys[#keys + 1] = ARGV[i] end
        local there = redis.call('HMGET', KEYS[2], unpack(keys))
        local flushed = {}
        for i = 1, #keys do
          local row = there[i]
          if row and (sub(row, 1, 16) < sub(ARGV[2 * i], 1, 16) or sub(row, 1, 32) == ARGV[2 * i]) then
            flushed[#flushed + 1] = keys[i]
          end
        end
        if #flushed == 0 then return 0 end
        redis.call('HDEL', KEYS[2], unpack(flushed))
        local owners = redis.call('HMGET', KEYS[1], unpack(flushed))
        local gone = {}
        for i = 1, #flushed do
          if owners[i] and sub(owners[i], 1, 16) == '0000000000000000' then gone[#gone + 1] = flushed[i] end
        end
        if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
        return #flushed
        """;

    /// <summary>
    /// KEYS owners, rows; ARGV key, epoch and version, key, … Gives up each ownership; a key with a row to flush keeps an entry with
    /// epoch 0. Returns 1 for each key. Returns 0 and changes nothing if the key has another owner or none, or if its row is
    /// missing or earlier than the version given (zeros: none is expected).
    /// </summary>
    public const string Release = """
        local unpack, sub = table.unpack or unpack, string.sub
        local keys = {}
        for i = 1, #ARGV, 2 do keys[#keys + 1] = ARGV[i] end
        local owners = redis.call('HMGET', KEYS[1], unpack(keys))
        local released, left, gone = {}, {}, {}
        for i = 1, #keys do
          local owner, expected = owners[i], sub(ARGV[2 * i], 17)
          local isThere = redis.call('HEXISTS', KEYS[2], keys[i]) == 1
          if not owner or sub(owner, 1, 16) ~= sub(ARGV[2 * i], 1, 16) then
            released[i] = 0
          elseif expected ~= '0000000000000000'
              and (not isThere or sub(redis.call('HGET', KEYS[2], keys[i]), 1, 16) < expected) then
            released[i] = 0
          else
            released[i] = 1
            if isThere then
              left[#left + 1] = keys[i]
              left[#left + 1] = '0000000000000000' .. sub(owner, 17)
            else
              gone[#gone + 1] = keys[i]
            end
          end
        end
        if #left > 0 then redis.call('HSET', KEYS[1], unpack(left)) end
        if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
        return released
        """;

    /// <summary>KEYS any. A write without effect: a server that became a replica refuses it.</summary>
    public const string EnsurePrimary = """
        return redis.call('PERSIST', KEYS[1])
        """;

    /// <summary>
    /// KEYS owners, rows; ARGV silo, key, owner, key, owner, … with owner as it was read. Ends each ownership that still belongs to
    /// the same silo, even if that silo is alive and has written since. For the adopting silo itself, only entries with epoch 0
    /// qualify. Makes the adopting silo responsible for the rows, and returns key and row of each entry that has a row.
    /// </summary>
    public const string Adopt = """
        local rows = {}
        for i = 2, #ARGV, 2 do
          local key, owner = ARGV[i], redis.call('HGET', KEYS[1], ARGV[i])
          local silo = string.sub(ARGV[i + 1], 17)
          if owner and string.sub(owner, 17) == silo
              and (silo ~= ARGV[1] or string.sub(owner, 1, 16) == '0000000000000000') then
            local row = redis.call('HGET', KEYS[2], key)
            if row then
              redis.call('HSET', KEYS[1], key, '0000000000000000' .. ARGV[1])
              rows[#rows + 1] = key
              rows[#rows + 1] = row
            else
              redis.call('HDEL', KEYS[1], key)
            end
          end
        end
        return rows
        """;
}
