-- Raises what one node settled in periods to what it says, where that is lower or lost.
--
-- KEYS  the cell of each account, one as often as it has accounts.
-- ARGV  1 `now` in us (-1: the server's), the node, then for each key: account, start and end of
--         the period, and what the node settled in it, packed   2 as ARGV 6 of hold.lua
-- Reply how many were raised, then the places of keys that cannot be read
-- What there is of cells and counters: hold.lua.
local unfold, pack, sub, call = struct.unpack, struct.pack, string.sub, redis.call
local HEAD, SIZE, NEVER, LAG = '<dBI2ddddI2', 45, 9007199254740992, 3600000000
local AHEAD = 60000000
local now, node, at = unfold('<dd', ARGV[1])
local latest_start = NEVER
if now < 0 then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
  latest_start = now + AHEAD
end
node = string.format('%.0f', node)

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
  local rest = from
  if not reads then reply[#reply + 1] = nth end
  if reads and from < #cell and name == account then
    rest = from + length
  else
    shape, a, b, c, d, e = 3, start, 0, 0, 0, 0
  end
  local counter = string.format('%s%.0f:%.0f:', ARGV[2], account, start) .. sub(key, #ARGV[2] + 1)
  local more, begins = 0, false
  if reads and shape == 3 and start <= latest_start then
    begins = b == 0 or start >= b
    if begins then a, b, c, d, e = start, ends, 0, 0, 0 end
    local known = not begins and call('HGET', counter, node) or 0
    if a == start then more = settled - known end
  end
  if more > 0 then
    reply[1] = reply[1] + 1
    local anew = pack(HEAD, account, 3, SIZE, a, b, c + more, d, e)
    local until_when = b == NEVER and NEVER or math.max(lived, b + LAG, now + 1000000)
    local whole = pack('<dd', latest, until_when) .. sub(cell, 17, from - 1) .. anew .. sub(cell, rest)
    if until_when == NEVER then call('SET', key, whole)
    else call('SET', key, whole, 'PX', math.ceil((until_when - now) / 1000)) end
    if begins then call('UNLINK', counter) end
    call('HSET', counter, node, string.format('%.0f', settled))
    if b < NEVER then
      call('PEXPIRE', counter, math.ceil((math.max(b - now, 0) * 1.5 + 2 * LAG) / 1000))
    end
  end
end
return reply
