namespace Actors.Membership;

/// <summary>The script for Orleans' membership table. It runs on Redis 7 (Lua 5.1) and on Garnet (Lua 5.4).</summary>
/// <remarks>
/// The table is one hash: <c>Version</c>, a decimal number that grows with every change, and one row of JSON per silo. The
/// status of a silo only increases (joining 2, active 3, … dead 6). So of two rows of a silo the one with the higher status is
/// the later. Merging by that rule gives the same table in any order, and a dead silo never becomes alive again.
/// </remarks>
internal static class MembershipScripts
{
    /// <summary>
    /// KEYS table; ARGV version, leap, silo, row, silo, row, … Adds what the table lacks: missing silos, and rows with a later
    /// status. A table without a version, or with an earlier version than ours, was lost; it continues at our version plus
    /// leap. Any other changed table continues at its own version plus one. Returns whether it was lost, how many rows were
    /// added, and the new table.
    /// </summary>
    public const string Merge = """
        local function status(row) return tonumber(string.match(row, '"Status":(%d+)') or '0') end
        local version = tonumber(redis.call('HGET', KEYS[1], 'Version') or '')
        local ours = tonumber(ARGV[1])
        local lost = not version or version < ours
        local rows = 0
        for i = 3, #ARGV, 2 do
          local row = redis.call('HGET', KEYS[1], ARGV[i])
          if not row or status(row) < status(ARGV[i + 1]) then
            redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
            rows = rows + 1
          end
        end
        if lost then
          version = ours + tonumber(ARGV[2])
        elseif rows > 0 then
          version = version + 1
        end
        if lost or rows > 0 then redis.call('HSET', KEYS[1], 'Version', string.format('%.0f', version)) end
        return {lost and 1 or 0, rows, redis.call('HGETALL', KEYS[1])}
        """;
}
