-- A node says that it lives, and hears who else does.
-- KEYS[1] hash of the nodes: a node's stable name -> "<at> <beat> <process> <facts>"
-- ARGV[1] the node's name   ARGV[2] its beat, growing   ARGV[3] its process, 16 hex digits
-- ARGV[4] its facts, JSON   ARGV[5] after how many microseconds a silent node is forgotten
-- Answers { now, what stood there of this node or "", name, entry, name, entry, … }; `at` and `now`
-- are microseconds of the server's clock.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local before = redis.call('HGET', KEYS[1], ARGV[1])
local entry = string.format('%.0f', now) .. ' ' .. ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4]
redis.call('HSET', KEYS[1], ARGV[1], entry)
local all = redis.call('HGETALL', KEYS[1])
local answer = { string.format('%.0f', now), before or '' }
for i = 1, #all, 2 do
  local at = tonumber(string.match(all[i + 1], '^(%d+) ')) or 0
  if now - at > tonumber(ARGV[5]) then
    redis.call('HDEL', KEYS[1], all[i])
  else
    answer[#answer + 1] = all[i]
    answer[#answer + 1] = all[i + 1]
  end
end
return answer
