namespace Actors.RateLimiting;

/// <summary>
/// The scripts for the grant logs of one partition. They run on Redis 7 (Lua 5.1) and on Garnet (Lua 5.4). One call carries the
/// requests of many clients and reads the server's clock once for all of them.
/// </summary>
/// <remarks>
/// <para>A log is a sorted set. Its members are grants, <c>BEFORE:PERMITS</c>, scored by the time they count from (microseconds):
/// one script granted PERMITS after BEFORE others. The first and the last member therefore suffice to count a window, and no
/// two members are equal. One more member, <c>oEPOCH</c> with an infinite score, names the activation that owns the log. The
/// TTL is the longest window plus up to ten seconds after the last grant, so not every grant must renew it.</para>
/// <para>A reserve is the last member, <c>BEFORE:PERMITS:r</c>, scored by the time until which its owner may grant from it. It
/// counts for as long as any grant from it may count. The owner's next call replaces it by the actual grants.</para>
/// <para>Time never goes back in a log: it is the later of the server's clock and the earliest time its owner knows for that
/// clock. It advances even if the clock was set back or the server was replaced. A grant counts from that time, or from
/// one microsecond after the last grant.</para>
/// <para>The owner sends the time of what it believes is the last grant. If that differs, nothing is done. If the log still has
/// the same owner or is gone, it was lost in whole or in part, or an abandoned call arrived late: the owner writes it back.
/// If the log names an earlier owner, that activation wrote after the log and its fencing token had expired (or Redis
/// restored old data): the owner takes the log over again and merges both copies.</para>
/// </remarks>
internal static class GrantScripts
{
    /// <summary>The request was executed.</summary>
    public const int Done = 0;

    /// <summary>
    /// Nothing was done: the log is not in the state that its owner sent, and no other activation has written it.
    /// </summary>
    public const int Differs = 1;

    /// <summary>Nothing was done: a later activation owns the log.</summary>
    public const int Fenced = 2;

    /// <summary>Nothing was done: an earlier activation has written the log.</summary>
    public const int Overtaken = 3;

    /// <summary>
    /// Nothing was decided: the log has a new owner, but the previous one may still grant from its reserve for a moment.
    /// </summary>
    public const int Held = 4;

    /// <summary>
    /// KEYS per request: log, and the named grants if it has names. ARGV: memory of names, names kept, lifetime of a reserve,
    /// count of requests, then per request: epoch (empty to become the owner), time of the last grant, permits charged,
    /// permits granted, earliest time, tick, 1 to trim, 1 to renew the TTL, 1 if it has names, permits to reserve, count of
    /// windows, limit, duration, used, until, …, count of grants from the reserve (-1 without a reserve), time, member, …,
    /// count of runs, calls, permits, mark, ….
    /// </summary>
    /// <remarks>
    /// Decides each run: as many calls of its size as fit into all windows. USED is what counts in a window before UNTIL, as
    /// the owner knows. Mark W is a call that waits: if it does not fit, no later call is granted. The rest of a mark is the
    /// name of a request, noted if it is granted. TICK, if not 0, merges the grant into the last one of the same tick.
    /// A reserve is replaced by the grants made from it, and a new one is made of the free permits, up to the requested size.
    /// Returns the server's clock, then per request: status, time, time of the grants, permits before, 1 if merged into the
    /// last grant, permits reserved, and for each run the granted calls, or the negative time of an earlier grant of its name.
    /// A new owner also gets its epoch and the last 500 grants that count, newest first, as member, score, …. If the previous
    /// owner may still grant from its reserve, a new owner gets: status, time, for how long, epoch, those grants.
    /// </remarks>
    public const string Decide = """
        local floor, format, match, sub = math.floor, string.format, string.match, string.sub
        local unpack = table.unpack or unpack
        local time = redis.call('TIME')
        local clock = time[1] * 1000000 + time[2]
        local reserveLife = tonumber(ARGV[3])
        local nextKey, next = 1, 5
        local answers = { clock }
        for question = 1, tonumber(ARGV[4]) do
          local log, requests = KEYS[nextKey], nil
          local epoch, newest = ARGV[next], tonumber(ARGV[next + 1])
          local charged, granted = tonumber(ARGV[next + 2]), tonumber(ARGV[next + 3])
          local least, tick = tonumber(ARGV[next + 4]), tonumber(ARGV[next + 5])
          local isTrimming, isRenewing = ARGV[next + 6] == '1', ARGV[next + 7] == '1'
          nextKey = nextKey + 1
          if ARGV[next + 8] == '1' then
            requests = KEYS[nextKey]
            nextKey = nextKey + 1
          end
          local reserve = tonumber(ARGV[next + 9])
          local firstWindow = next + 11
          local firstUsed = firstWindow + 4 * ARGV[next + 10] + 1
          local used = tonumber(ARGV[firstUsed - 1])
          local firstRun = firstUsed + 1
          if used > 0 then firstRun = firstRun + 2 * used end
          next = firstRun + 3 * ARGV[firstRun - 1]

          local longest = 0
          for i = firstWindow + 1, firstUsed - 2, 4 do
            local duration = tonumber(ARGV[i])
            if duration > longest then longest = duration end
          end

          -- The owner's totals are current if its last grant is the last one in the log.
          local last = redis.call('ZRANGE', log, -2, -1)
          local owner, before, permits, kind = '', 0, 0, ''
          if #last > 0 and sub(last[#last], 1, 1) == 'o' then owner = sub(last[#last], 2) end
          if #last == 2 then before, permits, kind = match(last[1], '^(%d+):(%d+)(.*)$') end
          local total = before + permits
          local isKnown = epoch ~= '' and epoch == owner and total == charged and (used < 0 or kind == ':r')
          local lastAt = newest
          if not isKnown then
            lastAt = 0
            if #last == 2 then lastAt = tonumber(redis.call('ZSCORE', log, last[1]) or 0) end
            -- Garnet may append to a key that has expired.
            if #last == 0 then redis.call('DEL', log) end
          end

          -- Windows are counted at NOW, grants count from AT. A clock far behind the log was set back.
          local now = clock
          if least > now then now = least end
          local isHeld = epoch == '' and kind == ':r' and lastAt > now
          if isHeld then
            if lastAt - now > 2 * reserveLife then now = lastAt - 2 * reserveLife end
          elseif not isKnown and lastAt - now > reserveLife then
            now = lastAt + 1
          end
          local at = now
          if lastAt >= at then at = lastAt + 1 end
          local oldest = now - longest

          local answer
          if epoch ~= '' and owner > epoch then
            answer = { 2, now }
          elseif epoch ~= '' and owner ~= '' and owner ~= epoch then
            answer = { 3, now }
          elseif epoch ~= '' and not isKnown and (newest > oldest or lastAt > oldest) then
            answer = { 1, now }
          else
            local isNew = epoch == ''
            if isNew then
              epoch = format('%016.0f', clock)
              if epoch <= owner then epoch = format('%016.0f', tonumber(owner) + 1) end
            end
            local isOwnerNoted = epoch == owner
            if not isOwnerNoted then
              if owner ~= '' then redis.call('ZREM', log, 'o' .. owner) end
              redis.call('ZADD', log, 'inf', 'o' .. epoch)
            end

            local taken, isBlocked, free = 0, false, nil
            if isHeld then
              answer = { 4, now, lastAt - now }
            else
              if isKnown and used >= 0 then
                redis.call('ZREM', log, last[1])
                if used > 0 then redis.call('ZADD', log, unpack(ARGV, firstUsed, firstRun - 2)) end
                total = granted
              end

              for i = firstWindow, firstUsed - 2, 4 do
                local left = tonumber(ARGV[i])
                local since = now - ARGV[i + 1]
                if isKnown and now < tonumber(ARGV[i + 3]) then
                  left = left - ARGV[i + 2]
                elseif lastAt > since then
                  local first = redis.call('ZRANGEBYSCORE', log, '(' .. format('%.0f', since), '+inf', 'LIMIT', 0, 1)
                  -- Empty only on a server where keys expire while a script runs.
                  local earlier = first[1] and match(first[1], '^(%d+)')
                  if earlier then left = left - (total - earlier) end
                end
                if not free or left < free then free = left end
              end

              answer = { 0, now, at, total, 0, 0 }
              for i = firstRun, next - 3, 3 do
                local calls, each, mark = tonumber(ARGV[i]), tonumber(ARGV[i + 1]), ARGV[i + 2]
                local fits = 0
                local earlier = #mark > 1 and redis.call('ZSCORE', requests, sub(mark, 2))
                if earlier then
                  fits = -tonumber(earlier)
                elseif not isBlocked and free >= each then
                  fits = floor(free / each)
                  if fits > calls then fits = calls end
                  free = free - fits * each
                  taken = taken + fits * each
                  if #mark > 1 then
                    local life = tonumber(ARGV[1])
                    redis.call('ZADD', requests, format('%.0f', at), sub(mark, 2))
                    redis.call('ZREMRANGEBYSCORE', requests, '-inf', format('%.0f', at - life))
                    redis.call('ZREMRANGEBYRANK', requests, 0, -ARGV[2] - 1)
                    redis.call('PEXPIRE', requests, format('%.0f', floor(life / 1000) + 1))
                  end
                end
                if not earlier and fits < calls and sub(mark, 1, 1) == 'W' then isBlocked = true end
                answer[#answer + 1] = fits
              end
            end

            if taken > 0 then
              local member = format('%.0f:%.0f', total, taken)
              if tick > 0 and used < 0 and lastAt > 0 and floor(at / tick) == floor(lastAt / tick) then
                redis.call('ZREM', log, last[1])
                member = format('%.0f:%.0f', before, permits + taken)
                answer[5] = 1
              end
              if reserve > free then reserve = free end
              if reserve > 0 and not isBlocked then
                answer[6] = reserve
                redis.call('ZADD', log, format('%.0f', at), member,
                  format('%.0f', at + reserveLife), format('%.0f:%.0f:r', total + taken, reserve))
              else
                redis.call('ZADD', log, format('%.0f', at), member)
              end
              if isTrimming then redis.call('ZREMRANGEBYSCORE', log, '-inf', format('%.0f', oldest)) end
            end
            if not isOwnerNoted or (taken > 0 and isRenewing) then
              redis.call('PEXPIRE', log, format('%.0f', floor(longest / 1000) + 10001))
            end

            if isNew then
              -- The newest, after the member that names the owner; older ones are read separately.
              local members = redis.call(
                'ZREVRANGEBYSCORE', log, '+inf', '(' .. format('%.0f', oldest), 'WITHSCORES', 'LIMIT', 0, 501)
              answer[#answer + 1] = epoch
              for i = 3, #members do answer[#answer + 1] = members[i] end
            end
          end
          answers[question + 1] = answer
        end
        return answers
        """;

    /// <summary>
    /// KEYS log; ARGV upper and lower bound of the times, both exclusive. Returns up to 500 grants, newest first, as member,
    /// score, ….
    /// </summary>
    public const string Older =
        "return redis.call('ZREVRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '(' .. ARGV[2], 'WITHSCORES', 'LIMIT', 0, 500)";

    /// <summary>
    /// KEYS log, requests; ARGV epoch, memory, names kept, count of names to forget, name, …, then time and name of each name
    /// to note. Applies them unless another activation has written the log; idempotent. Returns the status.
    /// </summary>
    public const string Name = """
        local last = redis.call('ZRANGE', KEYS[1], -1, -1)
        local owner = last[1] and string.sub(last[1], 2) or ARGV[1]
        if owner ~= ARGV[1] then return owner > ARGV[1] and 2 or 3 end

        local next = 5
        for i = 1, tonumber(ARGV[4]) do
          redis.call('ZREM', KEYS[2], ARGV[next])
          next = next + 1
        end
        if next < #ARGV then
          for i = next, #ARGV, 2 do redis.call('ZADD', KEYS[2], ARGV[i], ARGV[i + 1]) end
          redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -ARGV[3] - 1)
          redis.call('PEXPIRE', KEYS[2], string.format('%.0f', math.floor(ARGV[2] / 1000) + 1))
        end
        return 0
        """;

    /// <summary>
    /// KEYS a temporary key; ARGV its TTL, permits granted before, then time and permits of each grant. Adds a part of a log
    /// that is being restored.
    /// </summary>
    public const string Stage = """
        local format, before = string.format, tonumber(ARGV[2])
        local members = {}
        for i = 3, #ARGV, 2 do
          members[#members + 1] = ARGV[i]
          members[#members + 1] = format('%.0f', before) .. ':' .. ARGV[i + 1]
          before = before + ARGV[i + 1]
        end
        redis.call('ZADD', KEYS[1], (table.unpack or unpack)(members))
        redis.call('PEXPIRE', KEYS[1], ARGV[1])
        return 0
        """;

    /// <summary>
    /// KEYS log, and the staged key if there is one; ARGV epoch, longest window, count of staged grants, their permits, then
    /// time and permits of each later grant. Replaces the log by what its owner knows, unless another activation has written
    /// it. Returns the status; <see cref="Differs"/> if the staged part is incomplete.
    /// </summary>
    public const string Restore = """
        local unpack, format, floor = table.unpack or unpack, string.format, math.floor
        local last = redis.call('ZRANGE', KEYS[1], -1, -1)
        local owner = last[1] and string.sub(last[1], 2) or ARGV[1]
        if owner ~= ARGV[1] then return owner > ARGV[1] and 2 or 3 end
        if KEYS[2] and redis.call('ZCARD', KEYS[2]) ~= tonumber(ARGV[3]) then return 1 end

        redis.call('DEL', KEYS[1])
        if KEYS[2] then redis.call('RENAME', KEYS[2], KEYS[1]) end
        local before, members = tonumber(ARGV[4]), {}
        for i = 5, #ARGV, 2 do
          members[#members + 1] = ARGV[i]
          members[#members + 1] = format('%.0f', before) .. ':' .. ARGV[i + 1]
          before = before + ARGV[i + 1]
        end
        members[#members + 1] = 'inf'
        members[#members + 1] = 'o' .. ARGV[1]
        redis.call('ZADD', KEYS[1], unpack(members))
        redis.call('PEXPIRE', KEYS[1], format('%.0f', floor(ARGV[2] / 1000) + 10001))
        return 0
        """;
}
