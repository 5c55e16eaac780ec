-- Records an intended change, unless what is known about it has changed since look.lua. The token makes sure that a
-- repeated request has no second effect.
local made = redis.call('GET', key('token', q.token))
if made then
  return ok(made ~= 'abandoned' and made)
end
local _, _, version = known()
if version ~= q.version or redis.call('HEXISTS', key('installation'), 'damaged') == 1 then
  return ok()
end
local id = text(redis.call('INCR', key('last-entry')))
local fields = {'id', id, 'process', process, 'made_at', text(now), 'since', text(now), 'state', 'intended'}
for name, value in pairs(q.fields) do
  table.insert(fields, name)
  table.insert(fields, value)
end
redis.call('HSET', key('entry', id), unpack(fields))
for _, name in ipairs({key('journal'), key('open'), key('same', q.key, q.digest)}) do
  redis.call('ZADD', name, id, id)
end
if q.caller_key then
  redis.call('ZADD', key('named', q.key, q.caller_key), id, id)
end
if q.spent and tonumber(q.fields.committed) > 0 then
  redis.call('ZADD', key('spent', q.spent), text(now), id)
  -- Older entries count for no day.
  redis.call('ZREMRANGEBYSCORE', key('spent', q.spent), '-inf', text(now - 3 * DAY))
end
for _, code in ipairs({q.confirmation or false, q.reply or false}) do
  if code then redis.call('HSET', key('confirmation', code), 'used', '1') end
end
redis.call('SET', key('token', q.token), id, 'PX', milliseconds(0))
return ok(id)
