-- Ends what one reservation holds in a part: settled, voided or expired, each once.
--
-- KEYS  1 the reservation's record, 2 the expiries of its tag, then the part's cells.
-- ARGV  1 the plan: `now` in us (-1: the server's), the node whose counters are to grow, whether
--         only what is due may end, how many cells; for each cell how many endings, and these by
--         ascending account: kind, whether it had expired, account, held, used, and
--           0 bucket  parts of one us, time and parts of what was held, of what of it was used,
--                     when it was held, time and parts of what was used beyond
--           1 window  length, when it was held, cap
--           2 period  start, end; the print of its thresholds (0: none), these ascending
--           3 slots
--       2 the first 11 bytes of the record that is to end   3 what it becomes: nothing, a
--         receipt, X to expire, or a record that lives on with less   4 for how many ms it is
--         kept; empty where it lives on   5 the reservation's id   6 as of hold.lua
-- Reply {1, now, clock, crossed}   ended; crossed thresholds as `<I4BBd`: which ending, how many
--                                  were crossed before, how many are, what is settled
--       {0, clock}                 it is not due, or there is no such record
--       {3, clock, record}         the record is another one
--       {4, key}                   a cell cannot be read: the place of its key
-- What there is of cells and records: hold.lua.
local unfold, pack, sub, call = struct.unpack, struct.pack, string.sub, redis.call
local HEAD, SIZE, NEVER, LAG = '<dBI2ddddI2', 45, 9007199254740992, 3600000000

local plan = ARGV[1]
local now, node, only_due, groups, at = unfold('<ddBI4', plan)
if now < 0 then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end
local clock = now
local record = call('GET', KEYS[1])
if not record then return {0, clock} end
if sub(record, 1, 11) ~= ARGV[2] then return {3, clock, record} end
if only_due == 1 and unfold('<d', record, 12) > clock then return {0, clock} end
local cells = groups > 0 and call('MGET', unpack(KEYS, 3, 2 + groups)) or {}
for group = 1, groups do
  if cells[group] then
    if #cells[group] < 16 then return {4, 2 + group} end
    local latest = unfold('<d', cells[group])
    if latest > now then now = latest end
  end
end

-- The account that is being changed.
local name, shape, a, b, c, d, e, tail
local crossed, nth = '', 0

local function bucket(held, used, p1, p2, p3, p4, p5, p6, p7, p8)
  if shape then
    if shape ~= 0 then return end
    if c ~= p1 and b > 0 then a, b = a + 1, 0 end
    -- What the time since has refilled is not given back.
    local since = now - p6
    if since >= p4 then p4, p5 = since, since > p4 and 0 or p5 end
    local back, part = p2 - p4, p3 - p5
    if part < 0 then back, part = back - 1, part + p1 end
    if back >= 0 then
      a, b = a - back, b - part
      if b < 0 then a, b = a - 1, b + p1 end
      if a < 0 then a, b = 0, 0 end
    end
    c = p1
  end
  if used > held then
    if not shape then shape, a, b, c = 0, 0, 0, p1 end
    if a < now then a, b = now, 0 end
    a, b = a + p7, b + p8
    if b >= p1 then a, b = a + 1, b - p1 end
    if a > NEVER then a = NEVER end
  end
end

-- Takes out what was taken at an instant, or more in, of times that are kept.
local function exact(back, over, length, when, cap)
  local times = #tail / 8
  if cap > a then cap = a end
  -- More was not taken, where more was held of a limit that does not refuse.
  if back > cap then back = cap end
  if back > 0 then
    local last = times
    while last > 0 and unfold('<d', tail, last * 8 - 7) > when do last = last - 1 end
    local first = last
    while first > 0 and last - first < back and unfold('<d', tail, first * 8 - 7) == when do
      first = first - 1
    end
    tail = sub(tail, 1, first * 8) .. sub(tail, last * 8 + 1)
  elseif over > 0 then
    if times + over > cap then
      while times > 0 and unfold('<d', tail) + length <= now do
        tail, times = sub(tail, 9), times - 1
      end
    end
    if over > cap then over = cap end
    tail = tail .. string.rep(pack('<d', now), over)
    if times + over > cap then tail = sub(tail, (times + over - cap) * 8 + 1) end
  end
end

local function window(back, over, when)
  local part_us = math.ceil(a / 60)
  if back > 0 then
    local part, place = math.floor(when / part_us), #tail - 15
    if part == b then
      if back > c then back = c end
      c, d = c - back, d - back
    elseif part < b and part >= b - 60 then
      while place > 0 do
        local passed, counted = unfold('<dd', tail, place)
        if passed == part then
          if back > counted then back = counted end
          d = d - back
          tail = sub(tail, 1, place - 1) .. pack('<dd', part, counted - back) .. sub(tail, place + 16)
        end
        if passed <= part then break end
        place = place - 16
      end
    end
    if d < 0 then d = 0 end
  elseif over > 0 then
    local part = math.floor(now / part_us)
    if part > b then
      if part - b >= 61 or d == 0 then
        c, d, tail = 0, 0, ''
      else
        while tail ~= '' do
          local passed, counted = unfold('<dd', tail)
          if passed >= part - 60 then break end
          d, tail = d - counted, sub(tail, 17)
        end
        if c > 0 then tail = tail .. pack('<dd', b, c) end
        c = 0
      end
      b = part
    end
    c, d = c + over, d + over
  end
end

-- What was settled more, for the counters of the node that held it. They live for longer than
-- the cell.
local counters = {}
local function counters_live(ends)
  return math.ceil((math.max(ends - now, 0) * 1.5 + 2 * LAG) / 1000)
end

local function period(key, held, used, expired, p1, p2, print, thresholds)
  if shape and shape ~= 3 then return end
  local begins = not shape
  if begins then shape, a, b = 3, p1, p2 end
  local before, more = c, used > held and used - held or 0
  if a == p1 then
    more = expired == 1 and used - held or used
    if expired == 0 then d = d > held and d - held or 0 end
  end
  c = c + more
  if c < 0 then more, c = more - c, 0 end
  if c > NEVER then c = NEVER end
  if more ~= 0 or begins then
    local counter = string.format('%s%.0f:%.0f:', ARGV[6], name, a) .. sub(key, #ARGV[6] + 1)
    counters[#counters + 1] = {counter, more, b, begins}
  end
  if print == 0 then return end
  local function reached(settled)
    local count = 0
    for _, threshold in ipairs(thresholds) do
      if threshold > 0 and settled > 0 and settled >= threshold then count = count + 1 end
    end
    return count
  end
  local known, count = math.floor(e / 256), e % 256
  -- What other thresholds had been crossed before is no news.
  if known ~= print then count = known > 0 and reached(before) or 0 end
  local to = reached(c)
  if to > count then
    crossed = crossed .. pack('<I4BBd', nth, count, to, c)
    count = to
  end
  e = print * 256 + count
end

local written, ms = {}, {}
for group = 1, groups do
  local cell, endings = cells[group], nil
  local size, from, lived, kept = cell and #cell or 0, 17, now, cell and 0 or now + 1
  if cell then lived = unfold('<d', cell, 9) end
  local out = {''}
  local function put()
    if shape then
      out[#out + 1] = pack(HEAD, name, shape, SIZE + #tail, a, b, c, d, e)
      if tail ~= '' then out[#out + 1] = tail end
    end
    name = nil
  end
  endings, at = unfold('<I4', plan, at)
  for _ = 1, endings do
    local kind, expired, account, held, used, p1, p2, p3, p4, p5, p6, p7, p8
    kind, expired, account, held, used, p1, p2, p3, p4, p5, p6, p7, p8, at =
      unfold('<BBddddddddddd', plan, at)
    if name ~= account then
      if name then put() end
      name, shape, a, b, c, d, e, tail = account, nil, 0, 0, 0, 0, 0, ''
      local copied = from
      while from <= size do
        if size - from < SIZE - 1 then return {4, 2 + group} end
        local found, its_shape, length, v, w, x, y, z = unfold(HEAD, cell, from)
        if length < SIZE or length > size - from + 1 then return {4, 2 + group} end
        if found > account then break end
        if found == account then
          shape, a, b, c, d, e = its_shape, v, w, x, y, z
          tail = sub(cell, from + SIZE, from + length - 1)
          break
        end
        from = from + length
      end
      if copied < from then out[#out + 1] = sub(cell, copied, from - 1) end
      if shape then from = from + SIZE + #tail end
    end
    local back, over = held > used and held - used or 0, used > held and used - held or 0
    if kind == 0 then
      bucket(held, used, p1, p2, p3, p4, p5, p6, p7, p8)
      if shape and kept <= a then kept = a + 1 end
    elseif kind == 1 then
      if not shape and over > 0 then
        if p3 <= 64 then shape, a = 1, p3 else shape, a = 2, p1 end
      end
      if shape == 1 and a <= 64 then
        exact(back, over, p1, p2, p3)
        if over > 0 and kept < now + p1 then kept = now + p1 end
      elseif shape == 2 then
        window(back, over, p2)
        local gone = now + a + 2 * math.ceil(a / 60)
        if over > 0 and kept < gone then kept = gone end
      end
    elseif kind == 2 then
      period(KEYS[2 + group], held, used, expired, p1, p2, p3, {p4, p5, p6, p7, p8})
      if shape == 3 then
        if b == NEVER then kept = NEVER elseif kept < b + LAG then kept = b + LAG end
      end
    elseif shape == 4 and expired == 0 then
      a = a > held and a - held or 0
    end
    nth = nth + 1
  end
  if name then put() end
  if from <= size and cell then out[#out + 1] = sub(cell, from) end
  if cell or #out > 1 then
    if kept > lived then
      if kept < NEVER then
        kept = kept + 60000000 + (kept - now) / 4
        ms[group] = math.ceil((kept - now) / 1000)
      end
      lived = kept
    else
      ms[group] = 0
    end
    out[1] = pack('<dd', now, lived)
    written[group] = table.concat(out)
  end
end

if ARGV[4] == '' then
  call('SET', KEYS[1], sub(ARGV[3], 1, 11) .. sub(record, 12, 19) .. sub(ARGV[3], 20), 'KEEPTTL')
else
  if ARGV[3] == '' then call('DEL', KEYS[1])
  elseif ARGV[3] == 'X' then call('SET', KEYS[1], 'X' .. sub(record, 2), 'PX', ARGV[4])
  else call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
  call('ZREM', KEYS[2], ARGV[5])
end
for group = 1, groups do
  local cell = written[group]
  if cell and ms[group] == 0 then call('SET', KEYS[2 + group], cell, 'KEEPTTL')
  elseif cell and ms[group] then call('SET', KEYS[2 + group], cell, 'PX', ms[group])
  elseif cell then call('SET', KEYS[2 + group], cell) end
end
for _, counter in ipairs(counters) do
  local key, more, ends, begins = unpack(counter)
  if begins then call('UNLINK', key) end
  if more ~= 0 then
    more = string.format('%.0f', more)
    local is_new = call('HINCRBY', key, string.format('%.0f', node), more) == more + 0
    if is_new and ends < NEVER then call('PEXPIRE', key, counters_live(ends)) end
  end
end
return {1, now, clock, crossed}
