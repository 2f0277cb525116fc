-- Names what should have ended by now, the oldest first.
--
-- KEYS  1 the expiries of a tag.   ARGV  1 `now` in us (-1: the server's)   2 how many at most
-- Reply {clock, id…}
local now = ARGV[1] + 0
if now < 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local upto = string.format('%.0f', now)
return {now, unpack(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', upto, 'LIMIT', 0, ARGV[2]))}
