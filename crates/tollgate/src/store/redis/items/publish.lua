-- Tells all nodes how an item is as of an instant, unless one that is no earlier is known.
-- KEYS[1] hash of the items: name -> "<at> <value>"; under the empty name since when it is there
-- KEYS[2] sorted set of the items by version   KEYS[3] sorted set of those that are gone, by `at`
-- ARGV[1] the item   ARGV[2] its value   ARGV[3] 1 if it is gone   ARGV[4] the instant
-- ARGV[5] channel that is told   ARGV[6] how many microseconds it is known that something is gone
-- Answers { "taken" } or { "known", at, value }. Versions grow; instants are microseconds of the
-- server's clock. What stands there and makes no sense is written over.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function text(number) return string.format('%.0f', number) end
local at = tonumber(ARGV[4])
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then
  local then_at, value = string.match(known, '^(%d+) (.*)$')
  if then_at and tonumber(then_at) >= at then return { 'known', then_at, value } end
end
redis.call('HSETNX', KEYS[1], '', text(now))
local top = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
local version = math.max(now, (tonumber(top[2]) or 0) + 1)
redis.call('HSET', KEYS[1], ARGV[1], text(at) .. ' ' .. ARGV[2])
redis.call('ZADD', KEYS[2], text(version), ARGV[1])
if ARGV[3] == '1' then
  redis.call('ZADD', KEYS[3], text(at), ARGV[1])
else
  redis.call('ZREM', KEYS[3], ARGV[1])
end
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', text(now - ARGV[6]), 'LIMIT', 0, 8)) do
  redis.call('HDEL', KEYS[1], gone)
  redis.call('ZREM', KEYS[2], gone)
  redis.call('ZREM', KEYS[3], gone)
end
redis.call('PUBLISH', ARGV[5], text(version))
return { 'taken' }
