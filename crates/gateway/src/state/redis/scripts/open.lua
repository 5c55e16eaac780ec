-- Creates the installation unless there is one. ARGV: format, id, secret, the installation that the process knows or ''.
local NAME = '{scope3-mcp}:installation'
local created = redis.call('HSETNX', NAME, 'id', ARGV[2])
if created == 1 then
  redis.call('HSET', NAME, 'format', ARGV[1], 'secret', ARGV[3])
end
local found = redis.call('HMGET', NAME, 'format', 'id', 'secret')
local known = ARGV[4]
-- The journal is lost. Each loss counts once, in whatever order the processes notice it.
if tonumber(found[1]) <= tonumber(ARGV[1]) and known ~= '' and known ~= found[2]
  and redis.call('HSETNX', NAME, 'lost:' .. known, '1') == 1 then
  redis.call('HSET', NAME, 'damaged', known, 'settling', '1')
end
return found
