-- Puts a cell in the place of another one, if that is still as it was read.
--
-- KEYS  1 the cell.   ARGV  1 as it was read   2 as it is to be   Reply 1 if it is, else 0
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
