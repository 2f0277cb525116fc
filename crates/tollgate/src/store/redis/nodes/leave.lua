-- A node leaves in order: it is gone at once, unless another process has its name by now.
-- KEYS[1] hash of the nodes
-- ARGV[1] the node's name   ARGV[2] its process, 16 hex digits
-- Answers 1 if it was there.
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if entry and string.match(entry, '^%d+ %d+ (%x+) ') == ARGV[2] then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
