-- Tells where cells and sessions stand, and changes nothing.
--
-- KEYS  the cells, then the seats of each charge on sessions.
-- ARGV  1 `now` in us (-1: the server's), how many cells, then the cap of each charge on sessions
--       2 the session
-- Reply {clock, cell…, seats…}   what there is of cells and seats: hold.lua
local unfold, pack, call = struct.unpack, struct.pack, redis.call
local now, groups, at = unfold('<dI4', ARGV[1])
if now < 0 then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end
local cells = groups > 0 and call('MGET', unpack(KEYS, 1, groups)) or {}
local reply, clock = {now}, now
for group = 1, groups do
  local cell = cells[group] or ''
  reply[#reply + 1] = cell
  if #cell >= 16 then now = math.max(now, (unfold('<d', cell))) end
end
local after = string.format('(%.0f', now)
for seat = groups + 1, #KEYS do
  local cap
  cap, at = unfold('<d', ARGV[1], at)
  local key = KEYS[seat]
  local live = call('ZCOUNT', key, after, '+inf')
  local function nth_end(skipped)
    local found = call('ZRANGEBYSCORE', key, after, '+inf', 'WITHSCORES', 'LIMIT', skipped, 1)
    return found[2] or 0
  end
  local over = live >= cap and nth_end(live - cap) or 0
  reply[#reply + 1] = pack('<dddd', live, nth_end(0), over, call('ZSCORE', key, ARGV[2]) or 0)
end
return reply
