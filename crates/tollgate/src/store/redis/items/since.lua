-- What was changed after a version, the oldest first.
-- KEYS[1] hash of the items   KEYS[2] sorted set of the items by version
-- ARGV[1] the version   ARGV[2] how many at most
-- Answers { now, since when the hash is there or "", the highest version, item, version, "<at> <value>", … };
-- of an item that is not in the hash the value is "".
local time = redis.call('TIME')
local top = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
local answer = {
  string.format('%.0f', time[1] * 1000000 + time[2]),
  redis.call('HGET', KEYS[1], '') or '',
  top[2] or '0',
}
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for i = 1, #found, 2 do
  answer[#answer + 1] = found[i]
  answer[#answer + 1] = found[i + 1]
  answer[#answer + 1] = redis.call('HGET', KEYS[1], found[i]) or ''
end
return answer
