-- Runs every few seconds, as a sign of life. Removes what an interrupted `begin` left, and what is too old.
for _, token in ipairs(q.abandoned) do
  redis.call('SET', key('abandoned', token), '1', 'PX', milliseconds(0))
  for _, id in ipairs(redis.call('ZRANGE', key('open'), 0, -1)) do
    local found, state = unpack(redis.call('HMGET', key('entry', id), 'token', 'state'))
    if found == token and state == 'intended' then remove(id) end
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('ended'), '-inf', text(now - KEPT), 'LIMIT', 0, 100)) do
  remove(id)
end
redis.call('ZREMRANGEBYSCORE', key('calls'), '-inf', text(now - KEPT))
redis.call('ZREMRANGEBYSCORE', key('processes'), '-inf', text(now - DAY))
return ok()
