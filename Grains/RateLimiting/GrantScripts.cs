namespace Actors.RateLimiting;

/// <summary>
/// The scripts over the logs of grants of one partition. They run on Redis 7 (Lua 5.1) and on Garnet (Lua 5.4) alike, carry
/// what is asked of many clients, and take the server's clock for all of them.
/// </summary>
/// <remarks>
/// <para>A log is a sorted set. Its members are grants, <c>BEFORE:PERMITS</c> by the time they count from (microseconds):
/// PERMITS granted by one script, after BEFORE others; so a window is counted by its first and the last member, and no two
/// members are equal. One more, <c>oEPOCH</c> with an infinite score, names the activation that owns the log. A log lives
/// for its longest window and up to ten seconds, from the last grant on: so its life need not be renewed with each.</para>
/// <para>A reserve is a member <c>BEFORE:PERMITS:r</c>, the last one, by the time until which its owner may grant it: so it
/// counts for as long as any of it may. When the owner next asks, it is replaced by what was granted.</para>
/// <para>Time never goes back in a log: it is the later of the server's clock and what its owner knows that clock to have shown
/// at least (it counts on where the clock was set back, or the server is another one). A grant counts from then, or from a
/// moment after the last one.</para>
/// <para>The owner sends what it takes for the last grant. Where that is not the last one, nothing is done. If the log is still
/// its own, or gone, it has been lost, in whole or in part, or a call that was given up came late: the owner, who knows all of
/// it, writes it back. If it is of an earlier owner, that one has written after the log, and with it the fence, had expired (or
/// Redis came back from long ago): the owner takes it over once more, with what both know.</para>
/// </remarks>
internal static class GrantScripts
{
    /// <summary>The server did as it was asked.</summary>
    public const int Done = 0;

    /// <summary>Nothing was done: the log is not what its owner sent, and no other has written it.</summary>
    public const int Differs = 1;

    /// <summary>Nothing was done: a later activation owns the log.</summary>
    public const int Fenced = 2;

    /// <summary>Nothing was done: an earlier activation has written the log.</summary>
    public const int Overtaken = 3;

    /// <summary>Nothing was decided: the log has a new owner, but the one before may grant from its reserve for a moment yet.</summary>
    public const int Held = 4;

    /// <summary>
    /// KEYS of each question: log, and requests if it has names; ARGV names' life, names kept, a reserve's life, count of
    /// questions, then of each question: epoch (or nothing, to become the owner), last grant's time, all permits charged, all
    /// granted, least
    /// time, tick, 1 to trim, 1 to renew its life, 1 if it has names, permits to reserve, count of windows, limit, duration,
    /// used, until, …, count of grants from the reserve (or -1 without a reserve), time, member, …, count of runs, calls,
    /// permits, mark, ….
    /// Decides each run: as many calls of so many permits as fit into all windows. USED is what counts in a window before UNTIL,
    /// as its owner knows. A mark of W is a call that waits: where it does not fit, nothing behind it is granted. A further text
    /// is a request's name, noted if it is granted. TICK, if not 0, adds the grant to the last one where both lie in one tick.
    /// A reserve is replaced by what was granted from it, and a new one made of what is free besides, up to what is asked for.
    /// Returns the server's clock, and of each question: status, time, the grants' time, permits before, 1 where it was added to
    /// the last, permits reserved; the calls granted of each run, or for a name that was granted before the negative of that
    /// time; and to a new owner its epoch, and the last 500 grants that count, the newest first, as member, score, …. Where an earlier owner may still grant
    /// from its reserve, a new one is told: status, time, for how long, epoch, those grants.
    /// </summary>
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

          -- What its owner knows of the last grant is all there is to know, if it is the last one.
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
            -- Garnet may write on to what has expired.
            if #last == 0 then redis.call('DEL', log) end
          end

          -- Windows are counted by NOW, grants count from AT. Far behind the log is a clock that was set back.
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
                  -- None only on a server where keys expire while a script runs.
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
              -- The newest, behind the one that names the owner; the rest is read by itself.
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

    /// <summary>KEYS log; ARGV the time before, and since, which grants are asked for. Returns up to 500, the newest first, as member, score, ….</summary>
    public const string Older =
        "return redis.call('ZREVRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '(' .. ARGV[2], 'WITHSCORES', 'LIMIT', 0, 500)";

    /// <summary>
    /// KEYS log, requests; ARGV epoch, memory, names kept, count of names to forget, name, …, then time and name of each that is
    /// to be noted. Does so if no other has written the log; may be repeated. Returns the status.
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
    /// KEYS a key that is used once; ARGV its life, permits granted before, then time and permits of each grant. Adds a part of a
    /// log that is to be restored.
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
    /// KEYS log, and what was staged if anything was; ARGV epoch, longest window, count of grants staged, permits of those, then
    /// time and permits of each grant behind them. Replaces the log, if no other has written it, by what its owner knows. Returns
    /// the status; that of a log that differs where not all of what was staged is there.
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
