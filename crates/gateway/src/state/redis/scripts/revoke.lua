-- Makes a confirmation useless.
local name = key('confirmation', q.code)
if redis.call('EXISTS', name) == 1 then
  redis.call('HSET', name, 'used', '1')
end
return ok()
