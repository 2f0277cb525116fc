-- Moves the instant at which a reservation expires, and keeps its cells at least as long.
--
-- KEYS  1 the reservation's record, 2 the expiries of its tag, then the part's cells.
-- ARGV  1 `now` in us (-1: the server's) and us until it expires, packed
--       2 the first 11 bytes of the record   3 the reservation's id
-- Reply {1, clock}   {0, clock} there is none   {3, clock, record} the record is another one
local unfold, pack, sub, call = struct.unpack, struct.pack, string.sub, redis.call
local LATE = 86400000000
local now, ttl = unfold('<dd', ARGV[1])
if now < 0 then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end
local record = call('GET', KEYS[1])
if not record then return {0, now} end
if sub(record, 1, 11) ~= ARGV[2] then return {3, now, record} end
local lives = math.ceil((ttl + LATE) / 1000)
call('SET', KEYS[1], sub(record, 1, 11) .. pack('<d', now + ttl) .. sub(record, 20), 'PX', lives)
call('ZADD', KEYS[2], now + ttl, ARGV[3])
for place = 3, #KEYS do
  -- The cell says for how long it lives, which hold.lua goes by.
  local lived = call('GETRANGE', KEYS[place], 8, 15)
  if #lived == 8 and unfold('<d', lived) < now + ttl + LATE then
    call('SETRANGE', KEYS[place], 8, pack('<d', now + ttl + LATE))
  end
  call('PEXPIRE', KEYS[place], lives, 'GT')
end
return {1, now}
