namespace Actors.RateLimiting;

/// <summary>
/// The scripts over the logs of grants of one partition. They run on Redis 7 (Lua 5.1) and on Garnet (Lua 5.4) alike, carry
/// what is asked of many clients, and take the server's clock for all of them.
/// </summary>
/// <remarks>
/// <para>A log is a sorted set. Its members are grants, <c>BEFORE:PERMITS</c> by the time they count from (microseconds):
/// PERMITS granted by one script, after BEFORE others; so a window is counted by its first and the last member, and no two
/// members are equal. One more, <c>oEPOCH</c> with an infinite score, names the activation that owns the log. A log lives as
/// long as its longest window, from the last grant on.</para>
/// <para>Time never goes back in a log: it is the latest of the server's clock, what its owner knows the server's clock to
/// have shown at least (it counts on where that clock was set back, or the server is another one), and a moment after the last
/// grant.</para>
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

    /// <summary>
    /// KEYS log, requests, …; ARGV memory, kept, count of questions, then of each question: epoch (or nothing, to become the
    /// owner), last grant's time, all permits granted, least time, tick, count of windows, limit, duration, …, count of runs,
    /// calls, permits, mark, ….
    /// Decides each run: as many calls of so many permits as fit into all windows. A mark of W is a call that waits: where it
    /// does not fit, nothing behind it is granted. A further text is a request's name, noted if it is granted. TICK, if not
    /// 0, adds the grant to the last one where both lie in one tick. Returns the server's clock, and of each question: status, time, epoch, permits
    /// before, 1 where it was added to the last; the calls granted of each run; and to a new owner all grants that count, as
    /// member, score, ….
    /// </summary>
    public const string Decide = """
        local floor, format, match, sub = math.floor, string.format, string.match, string.sub
        local time = redis.call('TIME')
        local clock = time[1] * 1000000 + time[2]
        local memory, kept = tonumber(ARGV[1]), tonumber(ARGV[2])
        local next = 4
        local answers = { format('%.0f', clock) }
        for question = 1, tonumber(ARGV[3]) do
          local log, requests = KEYS[2 * question - 1], KEYS[2 * question]
          local epoch, at, granted = ARGV[next], tonumber(ARGV[next + 1]), tonumber(ARGV[next + 2])
          local least, tick, windows = tonumber(ARGV[next + 3]), tonumber(ARGV[next + 4]), tonumber(ARGV[next + 5])
          local firstWindow = next + 6
          local firstRun = firstWindow + 2 * windows + 1
          local runs = tonumber(ARGV[firstRun - 1])
          next = firstRun + 3 * runs

          local longest = 0
          for i = firstWindow + 1, firstRun - 2, 2 do
            local duration = tonumber(ARGV[i])
            if duration > longest then longest = duration end
          end

          local last = redis.call('ZRANGE', log, -2, -1, 'WITHSCORES')
          local owner = #last > 0 and sub(last[#last - 1], 2) or ''
          -- Garnet may write on to what has expired.
          if #last == 0 then redis.call('DEL', log) end
          local lastAt, before, permits = 0, 0, 0
          if #last == 4 then
            lastAt = tonumber(last[2])
            before, permits = match(last[1], '^(%d+):(%d+)$')
          end
          local total = before + permits
          local now = clock
          if least > now then now = least end
          if lastAt >= now then now = lastAt + 1 end
          local oldest = now - longest

          local answer
          if epoch ~= '' and owner > epoch then
            answer = { 2, format('%.0f', now) }
          elseif epoch ~= '' and (at > oldest or lastAt > oldest) and (at ~= lastAt or granted ~= total) then
            answer = { (owner == '' or owner == epoch) and 1 or 3, format('%.0f', now) }
          else
            local isNew = epoch == ''
            if isNew then
              epoch = format('%016.0f', clock)
              if epoch <= owner then epoch = format('%016.0f', tonumber(owner) + 1) end
              if owner ~= '' then redis.call('ZREM', log, 'o' .. owner) end
              redis.call('ZADD', log, 'inf', 'o' .. epoch)
              if lastAt <= oldest then redis.call('PEXPIRE', log, format('%.0f', floor(longest / 1000) + 1)) end
            end

            local free
            for i = firstWindow, firstRun - 2, 2 do
              local left = tonumber(ARGV[i])
              local since = now - ARGV[i + 1]
              if lastAt > since then
                local first = redis.call('ZRANGEBYSCORE', log, '(' .. format('%.0f', since), '+inf', 'LIMIT', 0, 1)
                -- None only on a server where keys expire while a script runs.
                local earlier = first[1] and match(first[1], '^(%d+)')
                if earlier then left = left - (total - earlier) end
              end
              if not free or left < free then free = left end
            end

            answer = { 0, format('%.0f', now), epoch, format('%.0f', total), 0 }
            local taken, isBlocked = 0, false
            for i = firstRun, next - 3, 3 do
              local calls, each, mark = tonumber(ARGV[i]), tonumber(ARGV[i + 1]), ARGV[i + 2]
              local fits = 0
              local earlier = #mark > 1 and redis.call('ZSCORE', requests, sub(mark, 2))
              if earlier then
                fits = format('-%.0f', tonumber(earlier))
              elseif not isBlocked and free >= each then
                fits = floor(free / each)
                if fits > calls then fits = calls end
                free = free - fits * each
                taken = taken + fits * each
                if #mark > 1 then
                  redis.call('ZADD', requests, format('%.0f', now), sub(mark, 2))
                  redis.call('ZREMRANGEBYSCORE', requests, '-inf', format('%.0f', now - memory))
                  redis.call('ZREMRANGEBYRANK', requests, 0, -kept - 1)
                  redis.call('PEXPIRE', requests, format('%.0f', floor(memory / 1000) + 1))
                end
              end
              if not earlier and fits < calls and sub(mark, 1, 1) == 'W' then isBlocked = true end
              answer[#answer + 1] = fits
            end

            if taken > 0 then
              local member = format('%.0f:%.0f', total, taken)
              if tick > 0 and lastAt > 0 and floor(now / tick) == floor(lastAt / tick) then
                redis.call('ZREM', log, last[1])
                member = format('%.0f:%.0f', before, permits + taken)
                answer[5] = 1
              end
              redis.call('ZREMRANGEBYSCORE', log, '-inf', format('%.0f', oldest))
              redis.call('ZADD', log, format('%.0f', now), member, 'inf', 'o' .. epoch)
              redis.call('PEXPIRE', log, format('%.0f', floor(longest / 1000) + 1))
            end

            if isNew then
              local members = redis.call('ZRANGEBYSCORE', log, '(' .. format('%.0f', oldest), '+inf', 'WITHSCORES')
              for i = 1, #members - 2 do answer[#answer + 1] = members[i] end
            end
          end
          answers[question + 1] = answer
        end
        return answers
        """;

    /// <summary>
    /// KEYS log, requests; ARGV epoch, longest window, memory, count of names to forget, name, …, count of names to note, time,
    /// name, …, then time and permits of each grant. Replaces the log, if no other has written it, by what its owner knows. Returns
    /// the status and the time.
    /// </summary>
    public const string Restore = """
        local unpack, format, floor = table.unpack or unpack, string.format, math.floor
        local time = redis.call('TIME')
        local now = format('%.0f', time[1] * 1000000 + time[2])
        local last = redis.call('ZRANGE', KEYS[1], -1, -1)
        local owner = last[1] and string.sub(last[1], 2) or ARGV[1]
        if owner ~= ARGV[1] then return { owner > ARGV[1] and 2 or 3, now } end

        local next = 5
        for i = 1, tonumber(ARGV[4]) do
          redis.call('ZREM', KEYS[2], ARGV[next])
          next = next + 1
        end
        local noted = tonumber(ARGV[next])
        next = next + 1
        for i = 1, noted do
          redis.call('ZADD', KEYS[2], ARGV[next], ARGV[next + 1])
          next = next + 2
        end
        if noted > 0 then redis.call('PEXPIRE', KEYS[2], format('%.0f', floor(ARGV[3] / 1000) + 1)) end

        redis.call('DEL', KEYS[1])
        local before, members = 0, {}
        for i = next, #ARGV, 2 do
          members[#members + 1] = ARGV[i]
          members[#members + 1] = format('%.0f', before) .. ':' .. ARGV[i + 1]
          before = before + ARGV[i + 1]
          if #members >= 1000 then
            redis.call('ZADD', KEYS[1], unpack(members))
            members = {}
          end
        end
        members[#members + 1] = 'inf'
        members[#members + 1] = 'o' .. ARGV[1]
        redis.call('ZADD', KEYS[1], unpack(members))
        redis.call('PEXPIRE', KEYS[1], format('%.0f', floor(ARGV[2] / 1000) + 1))
        return { 0, now }
        """;
}
