-- Records how a change of this process ended.
local name = key('entry', q.id)
local state, owner, code, keep = unpack(redis.call('HMGET', name, 'state', 'process', 'code', 'keep'))
if owner ~= process then return ok() end
if state == 'unknown' then
  -- This process was slow, and taken for dead. If nothing was sent since, it knows better.
  if code ~= 'INTERRUPTED' or newest((indexes(q.id))) ~= q.id then return ok() end
  state = 'sent'
elseif state ~= 'intended' and state ~= 'sent' then
  return ok()
end
-- A request that never left, or that came with an invented key, is no change. Strangers could fill the journal.
if q.state == 'refused' and (state == 'intended' or q.code == 'AUTH_INVALID_KEY') then
  remove(q.id)
  return ok()
end
redis.call('HDEL', name, 'code')
if q.code then redis.call('HSET', name, 'code', q.code) end
redis.call('HSET', name, 'ids', q.ids)
close(q.id, q.state)
if q.outcome then
  redis.call('SET', key('outcome', q.id), q.outcome, 'PX', text(math.ceil(keep / 1000)))
end
return ok()
