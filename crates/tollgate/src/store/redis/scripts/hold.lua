-- Holds all charges of a part, or none: as a new reservation, or as more of one that lives.
--
-- KEYS  1 the reservation's record, 2 the expiries of its tag, then the part's cells, then the
--       seats of each charge on sessions.
-- ARGV  1 the plan: `now` in us (-1: the server's), us until it expires, after which instant of
--         the server nothing is done any more, whether to be told the cells, how many cells; for
--         each cell how many charges, and these by ascending account:
--         kind, mode (0 hard, 1 shadow, 2 soft), account, amount, cap, and what its kind needs:
--           0 bucket  parts of one us, the amount's time in us and parts, that of cap - amount
--           1 window  length, length of a sub-bucket
--           2 period  start, end       3 concurrency       4 sessions  idle time
--       2 what the record is to hold of this, the number of its bytes first
--       3 the reservation's id   4 the session
--       5 empty for a new reservation, else the first 11 bytes of the record that gets more
--       6 what the names of counters begin with, as long as what those of cells begin with
-- Reply {1, now, clock, periods, shadowed, cell…, seats…}  held; cells where they were asked for
--       {0, now, clock, due, cell…, seats…}                no room, and whether something is due
--       {2, now, clock, cell…}                             a state is laid out for another rule
--       {3, clock, record}                                 the id has this record already, or
--                                                          not the one that was to get more
--       {4, key}                                           a cell cannot be read: the place of its key
--       {5, clock}                                         a period begins only later: the node's
--                                                          clock is ahead
--       {6, clock}                                         it is too late
--
-- A cell is the latest instant committed to it and the one until which its key lives, both in us,
-- and its accounts by ascending name. It is kept for longer than it must be, so that most orders
-- find its expiry as it should be. An account is `<dBI2ddddI2`: name, shape, bytes in all,
-- five numbers; then what its shape keeps beside:
--       0 bucket  full at, parts of a us, parts of one us
--       1 exact   the most times kept            beside: the times
--       2 window  length, newest part, its count, the sum   beside: part and count of others
--       3 period  start, end, settled, held, warned
--       4 slots   taken
-- What each node settled of a period is a hash, by node: it is named as the cell is, with ARGV 6,
-- account and start in the place of what that begins with. It begins with the period.
-- A record is `<c1I2dd`: L (live) or X (expired), its version, when it was made and when it
-- expires; then for each hold what ARGV 2 was, its instant, and start and end of each period.
local unfold, pack, sub, call = struct.unpack, struct.pack, string.sub, redis.call
local HEAD, SIZE, NEVER, LATE, LAG = '<dBI2ddddI2', 45, 9007199254740992, 86400000000, 3600000000
-- What a node's clock may be ahead by.
local AHEAD = 60000000
-- Sessions that are over, of which one call takes out so many.
local GONE = 128

local plan = ARGV[1]
local now, ttl, deadline, report, groups, at = unfold('<dddBI4', plan)
local latest_start = NEVER
if now < 0 then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
  if now > deadline then return {6, now} end
  latest_start = now + AHEAD
end
local clock = now
local record
if ARGV[5] ~= '' then
  record = call('GET', KEYS[1])
  if not record or sub(record, 1, 11) ~= ARGV[5] then return {3, clock, record or ''} end
end
local cells = groups > 0 and call('MGET', unpack(KEYS, 3, 2 + groups)) or {}
for group = 1, groups do
  if cells[group] then
    if #cells[group] < 16 then return {4, 2 + group} end
    local latest = unfold('<d', cells[group])
    if latest > now then now = latest end
  else
    cells[group] = ''
  end
end

local room, fits, periods, shadowed, nth = true, true, '', '', 0
local written, lives, caps, idles, begun = {}, {}, {}, {}, {}
for group = 1, groups do
  local cell = cells[group]
  local size, from, copied, kept, lived = #cell, 17, 17, now, now - 1
  local out, count = {''}, 1
  if size > 0 then lived = unfold('<d', cell, 9) end
  local charges
  charges, at = unfold('<I4', plan, at)
  for _ = 1, charges do
    local kind, mode, account, amount, cap, p1, p2, p3, p4, p5
    kind, mode, account, amount, cap, p1, p2, p3, p4, p5, at = unfold('<BBdddddddd', plan, at)
    local has = amount <= cap
    if kind == 4 then
      local seats = KEYS[3 + groups + #caps]
      caps[#caps + 1], idles[#idles + 1] = cap, p1
      if kept < now + p1 then kept = now + p1 end
      local ends = call('ZSCORE', seats, ARGV[4])
      has = ends and ends + 0 > now
        or call('ZCOUNT', seats, string.format('(%.0f', now), '+inf') < cap
    else
      local name, shape, length, a, b, c, d, e
      while from <= size do
        if size - from < SIZE - 1 then return {4, 2 + group} end
        name, shape, length, a, b, c, d, e = unfold(HEAD, cell, from)
        if length < SIZE or length > size - from + 1 then return {4, 2 + group} end
        if name >= account then break end
        from = from + length
      end
      if copied < from then
        count = count + 1
        out[count] = sub(cell, copied, from - 1)
        copied = from
      end
      -- Where its tail is, and what that becomes if it changes.
      local tail, tail_end, changed = from, from, nil
      if from < size and name == account then
        tail, tail_end = from + SIZE, from + length
        from = tail_end
      else
        shape, a, b, c, d, e = nil, 0, 0, 0, 0, 0
      end
      if kind == 0 then
        if shape and shape ~= 0 then fits = false break end
        -- Where the rate was changed, the instant stays what it was, rounded up.
        if shape and c ~= p1 and b > 0 then a, b = a + 1, 0 end
        if a < now then a, b = now, 0 end
        if amount > 0 and has then
          local full, part = a - p4, b - p5
          if part < 0 then full, part = full - 1, part + p1 end
          has = full < now or full == now and part == 0
        end
        a, b, c, shape = a + p2, b + p3, p1, 0
        if b >= p1 then a, b = a + 1, b - p1 end
        if a > NEVER then a = NEVER end
        if kept <= a then kept = a + 1 end
      elseif kind == 1 then
        if not shape then
          if cap <= 64 then shape, a = 1, cap else shape, a = 2, p1 end
        end
        if shape == 1 and cap <= a and a <= 64 then
          local times = (tail_end - tail) / 8
          if times + amount > cap then
            if amount > 0 and has then
              has = unfold('<d', cell, tail + (times + amount - cap) * 8 - 8) + p1 <= now
            end
            while times > 0 and unfold('<d', cell, tail) + p1 <= now do
              times, tail = times - 1, tail + 8
            end
          end
          local more = amount < cap and amount or cap
          if amount > 0 and times + more > cap then
            tail = tail + (times + more - cap) * 8
          end
          changed = sub(cell, tail, tail_end - 1) .. string.rep(pack('<d', now), more)
          if kept < now + p1 then kept = now + p1 end
        elseif shape == 2 and a == p1 and (cap > 64 or d > 64) then
          local part, gone = math.floor(now / p2), 0
          if part ~= b and (part - b >= 61 or d == 0) then
            gone, c, changed = d, 0, ''
          elseif part ~= b then
            local first = tail
            while first < tail_end do
              local passed, counted = unfold('<dd', cell, first)
              if passed >= part - 60 then break end
              gone, first = gone + counted, first + 16
            end
            changed = sub(cell, first, tail_end - 1)
            if c > 0 then changed = changed .. pack('<dd', b, c) end
            c = 0
          end
          b, d = part, d - gone + amount
          c = c + amount
          has = amount == 0 or d <= cap
          if kept < (part + 62) * p2 then kept = (part + 62) * p2 end
        else
          fits = false
          break
        end
      elseif kind == 2 then
        if shape and shape ~= 3 then fits = false break end
        local turns = b == 0 or p1 >= b
        if turns then
          if p1 > latest_start then return {5, clock} end
          c, d = 0, 0
          if a ~= p1 then a, e = p1, 0 end
          begun[#begun + 1] =
            string.format('%s%.0f:%.0f:', ARGV[6], account, a) .. sub(KEYS[2 + group], #ARGV[6] + 1)
        end
        if turns or p2 == NEVER or b == NEVER then b = p2 end
        d, shape = d + amount, 3
        has = amount == 0 or c + d <= cap
        periods = periods .. pack('<dd', a, b)
        if b == NEVER then kept = NEVER elseif kept < b + LAG then kept = b + LAG end
      else
        if shape and shape ~= 4 then fits = false break end
        a, shape = a + amount, 4
        has = a <= cap
        if kept < now + ttl + LATE then kept = now + ttl + LATE end
      end
      local beside = changed and #changed or tail_end - tail
      count = count + 1
      out[count] = pack(HEAD, account, shape, SIZE + beside, a, b, c, d, e)
      copied = tail
      if changed then
        count = count + 1
        out[count], copied = changed, from
      end
    end
    if not has then
      if mode == 0 then room = false
      elseif mode == 1 then shadowed = shadowed .. pack('<I4', nth) end
    end
    nth = nth + 1
  end
  if not fits then break end
  if copied <= size then
    count = count + 1
    out[count] = sub(cell, copied)
  end
  if kept > lived then
    if kept < NEVER then
      kept = kept + 60000000 + (kept - now) / 4
      lives[group] = math.ceil((kept - now) / 1000)
    end
    lived = kept
  else
    lives[group] = 0
  end
  out[1] = pack('<dd', now, lived)
  written[group] = table.concat(out)
end
if not fits then return {2, now, clock, unpack(cells)} end

-- Where the sessions of each charge on them stand: live, next to go, those over the cap, mine.
local function seats(reply)
  for seat = 1, #caps do
    local key, after = KEYS[2 + groups + seat], string.format('(%.0f', now)
    local live = call('ZCOUNT', key, after, '+inf')
    local function nth_end(skipped)
      local found = call('ZRANGEBYSCORE', key, after, '+inf', 'WITHSCORES', 'LIMIT', skipped, 1)
      return found[2] or 0
    end
    local over = live >= caps[seat] and nth_end(live - caps[seat]) or 0
    local mine = call('ZSCORE', key, ARGV[4]) or 0
    reply[#reply + 1] = pack('<dddd', live, nth_end(0), over, mine)
  end
  return reply
end

if not room then
  if not record then
    record = call('GET', KEYS[1])
    if record then return {3, clock, record} end
  end
  local due = call('ZCOUNT', KEYS[2], '-inf', string.format('%.0f', clock))
  return seats({0, now, clock, due, unpack(cells)})
end
local hold = ARGV[2] .. pack('<d', now) .. periods
if record then
  local version = unfold('<I2', record, 2)
  call('SET', KEYS[1], pack('<c1I2', 'L', version + 1) .. sub(record, 4) .. hold, 'KEEPTTL')
else
  record = pack('<c1I2dd', 'L', 1, now, clock + ttl) .. hold
  if not call('SET', KEYS[1], record, 'NX', 'PX', math.ceil((ttl + LATE) / 1000)) then
    return {3, clock, call('GET', KEYS[1])}
  end
  call('ZADD', KEYS[2], clock + ttl, ARGV[3])
end
for group = 1, groups do
  local ms = lives[group]
  if ms == 0 then call('SET', KEYS[2 + group], written[group], 'KEEPTTL')
  elseif ms then call('SET', KEYS[2 + group], written[group], 'PX', ms)
  else call('SET', KEYS[2 + group], written[group]) end
end
if #begun > 0 then call('UNLINK', unpack(begun)) end
for seat = 1, #caps do
  local key = KEYS[2 + groups + seat]
  local gone = call('ZRANGEBYSCORE', key, '-inf', string.format('%.0f', now), 'LIMIT', 0, GONE)
  if #gone > 0 then call('ZREM', key, unpack(gone)) end
  call('ZADD', key, string.format('%.0f', now + idles[seat]), ARGV[4])
  local ms = math.ceil(idles[seat] / 1000) + 1
  if call('PTTL', key) < ms then call('PEXPIRE', key, ms) end
end
if report == 0 then return {1, now, clock, periods, shadowed} end
return seats({1, now, clock, periods, shadowed, unpack(written)})
