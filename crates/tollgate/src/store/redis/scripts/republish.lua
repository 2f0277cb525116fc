-- Raises what one node settled in periods to what it says, where that is lower or lost.
--
-- KEYS  the cell of each account, one as often as it has accounts.
-- ARGV  1 `now` in us (-1: the server's), the node, then for each key: account, start and end of
--         the period, and what the node settled in it, packed
-- Reply how many were raised, then the places of keys that cannot be read. What there is of cells: hold.lua.
local unfold, pack, sub, call = struct.unpack, struct.pack, string.sub, redis.call
local HEAD, SIZE, NEVER, LAG = '<dBI2ddddI2', 45, 9007199254740992, 3600000000
local now, node, at = unfold('<dd', ARGV[1])
if now < 0 then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end

-- What is beside a period's account with at least this settled by the node, and by how much more.
local function raised(beside, settled)
  local place = 1
  while place < #beside do
    local whose, sum = unfold('<dd', beside, place)
    if whose == node then
      if sum >= settled then return beside, 0 end
      local rest = sub(beside, place + 16)
      return sub(beside, 1, place - 1) .. pack('<dd', node, settled) .. rest, settled - sum
    end
    place = place + 16
  end
  return beside .. pack('<dd', node, settled), settled
end

local reply = {0}
for nth, key in ipairs(KEYS) do
  local account, start, ends, settled
  account, start, ends, settled, at = unfold('<dddd', ARGV[1], at)
  local cell = call('GET', key)
  local latest, lived = now, now - 1
  local reads = not cell or #cell >= 16
  if cell and reads then latest, lived = unfold('<dd', cell) elseif not cell then cell = pack('<dd', now, now) end
  local from, name, shape, length, a, b, c, d, e = 17
  while from <= #cell do
    reads = #cell - from >= SIZE - 1
    if not reads then break end
    name, shape, length, a, b, c, d, e = unfold(HEAD, cell, from)
    reads = length >= SIZE and length <= #cell - from + 1
    if not reads or name >= account then break end
    from = from + length
  end
  local beside, rest = '', from
  if not reads then reply[#reply + 1] = nth end
  if reads and from < #cell and name == account then
    beside, rest = sub(cell, from + SIZE, from + length - 1), from + length
  else
    shape, a, b, c, d, e = 3, start, 0, 0, 0, 0
  end
  if shape == 3 and (b == 0 or start >= b) then
    a, b, c, d, e, beside = start, ends, 0, 0, 0, ''
  end
  local more = 0
  if reads and shape == 3 and a == start then beside, more = raised(beside, settled) end
  if more > 0 then
    reply[1] = reply[1] + 1
    local anew = pack(HEAD, account, 3, SIZE + #beside, a, b, c + more, d, e) .. beside
    local until_when = b == NEVER and NEVER or math.max(lived, b + LAG, now + 1000000)
    local whole = pack('<dd', latest, until_when) .. sub(cell, 17, from - 1) .. anew .. sub(cell, rest)
    if until_when == NEVER then call('SET', key, whole)
    else call('SET', key, whole, 'PX', math.ceil((until_when - now) / 1000)) end
  end
end
return reply
