-- Adds to the number of calls with one outcome in one hour. The key, the tool and the outcome are one field.
local name = key('calls', q.hour)
redis.call('HINCRBY', name, q.field, q.calls)
redis.call('PEXPIRE', name, milliseconds(90 * DAY))
redis.call('ZADD', key('calls'), q.hour, q.hour)
return ok()
