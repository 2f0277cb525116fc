-- Takes in what a node tells of leased accounts and grants what it asks for, many in one call.
-- It is the `lease` module of the core in microseconds, for windows and buckets: what is granted
-- is counted in the cell like any charge, so exact decisions go on beside it.
--
-- KEYS  the cell of each account, of one tag
-- ARGV  1 `now` in us (-1: the server's), the longest time of a lease in us, live nodes: `<ddd`
--       then for each account, `<Bdddddddddd`: kind (0 bucket, 1 window), account, cap, need,
--         least, want, over, and what its kind needs:
--           0 bucket  parts of one us, parts of one unit, whole us of cap units, longest lease
--           1 window  length, length of a sub-bucket
--         then stamp and amount of each that is given back, `<dd`
-- Reply {clock, answer…}  for each account `<dddd`: amount, stamp, us that it lasts, what is left;
--       an amount of -1 where the account is laid out for another rule, is exact or cannot be read.
local unfold, pack, sub, call = struct.unpack, struct.pack, string.sub, redis.call
local floor, ceil = math.floor, math.ceil
local HEAD, SIZE = '<dBI2ddddI2', 45

local told, term, nodes = unfold('<ddd', ARGV[1])
if told < 0 then
  local time = call('TIME')
  told = time[1] * 1000000 + time[2]
end

-- What is granted: as `share` in the core.
local function share(need, least, want, room)
  if need > room then
    if least <= room and need > 0 then return room end
    return 0
  end
  local ahead = floor((room - need) / (2 * nodes))
  return need + math.min(math.max(want - need, 0), ahead)
end

local reply = {told}
for nth = 1, #KEYS do
  local asked = ARGV[nth + 1]
  local kind, account, cap, need, least, want, over, p1, p2, p3, p4, backs =
    unfold('<Bdddddddddd', asked)
  local cell = call('GET', KEYS[nth]) or pack('<dd', 0, 0)
  local latest, lived = 0, 0
  if #cell >= 16 then latest, lived = unfold('<dd', cell) end
  local now = latest > told and latest or told

  -- Where the account is, or would be.
  local from, size = 17, #cell
  local name, shape, length, a, b, c, d, e
  local reads = size >= 16
  while from <= size do
    reads = size - from >= SIZE - 1
    if not reads then break end
    name, shape, length, a, b, c, d, e = unfold(HEAD, cell, from)
    reads = length >= SIZE and length <= size - from + 1
    if not reads or name >= account then break end
    from = from + length
  end
  local before, tail, after = sub(cell, 1, from - 1), '', ''
  if reads and from < size and name == account then
    tail, after = sub(cell, from + SIZE, from + length - 1), sub(cell, from + length)
  else
    after = sub(cell, from)
    shape, a, b, c, d, e = nil, 0, 0, 0, 0, 0
  end

  local granted, stamp, lasts, left, kept = -1, 0, 0, 0, 0
  if not reads then kind = -1 end
  if kind == 1 and (shape == nil or shape == 2 and a == p1) and cap > 64 then
    local part = floor(now / p2)
    if d == 0 or part - b >= 61 then
      tail, c, d, b = '', 0, 0, part
    elseif part > b then
      local first = 1
      while first < #tail do
        local passed, counted = unfold('<dd', tail, first)
        if passed >= part - 60 then break end
        d, first = d - counted, first + 16
      end
      tail = sub(tail, first)
      if c > 0 then tail = tail .. pack('<dd', b, c) end
      b, c = part, 0
    end
    while backs <= #asked do
      local began, amount
      began, amount, backs = unfold('<dd', asked, backs)
      local of = floor(began / p2)
      if of == b then
        local back = math.min(amount, c)
        c, d = c - back, d - back
      else
        for place = 1, #tail, 16 do
          local passed, counted = unfold('<dd', tail, place)
          if passed == of then
            local back = math.min(amount, counted)
            tail = sub(tail, 1, place + 7) .. pack('<d', counted - back) .. sub(tail, place + 16)
            d = d - back
          end
        end
      end
    end
    c, d = c + over, d + over
    local room = math.max(cap - d, 0)
    granted = share(need, least, want, room)
    a, c, d, shape = p1, c + granted, d + granted, 2
    left, stamp, lasts = room - granted, part * p2, math.min(term, (part + 1) * p2 - now)
    kept = (part + 62) * p2
  elseif kind == 0 and (shape == nil or shape == 0) then
    -- Where the rate was changed, the instant stays what it was, rounded up.
    if shape and c ~= p1 and b > 0 then a, b = a + 1, 0 end
    while backs <= #asked do
      local ends, amount
      ends, amount, backs = unfold('<dd', asked, backs)
      -- Rounded down, and what time has refilled since is no more to be given back.
      local back = floor(amount * p2 / p1) - 1 - math.max(now - ends, 0)
      if back > 0 then a = a - back end
    end
    if a < now then a, b = now, 0 end
    if over > 0 then a = a + ceil(over * p2 / p1) + 1 end
    -- As if all of it were used at its end; where there is too little for that, a short one.
    local function room_until(ends)
      local full = math.max(a, ends) + 2
      return math.max(floor((now + p3 - full) * p1 / p2), 0)
    end
    lasts = math.min(term, p4)
    local room = room_until(now + lasts)
    if room < need then
      lasts = floor(lasts / 8)
      room = room_until(now + lasts)
    end
    granted, stamp = share(need, least, want, room), now + lasts
    if granted > 0 then
      if a < stamp then a, b = stamp, 0 end
      a = a + ceil(granted * p2 / p1) + 1
    end
    c, shape, left, kept = p1, 0, room - granted, a + 1
  end

  if granted >= 0 then
    local head = pack(HEAD, account, shape, SIZE + #tail, a, b, c, d, e)
    local life
    if kept > lived then
      lived = kept + 60000000 + (kept - now) / 4
      life = ceil((lived - now) / 1000)
    end
    cell = pack('<dd', now, lived) .. sub(before, 17) .. head .. tail .. after
    if life then call('SET', KEYS[nth], cell, 'PX', life)
    else call('SET', KEYS[nth], cell, 'KEEPTTL') end
  end
  reply[nth + 1] = pack('<dddd', granted, stamp, lasts, left)
end
return reply
