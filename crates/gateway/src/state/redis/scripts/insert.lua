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
if q.confirmation then
  redis.call('HSET', key('confirmation', q.confirmation), 'used', '1')
end
redis.call('SET', key('token', q.token), id, 'PX', milliseconds(0))
return ok(id)
