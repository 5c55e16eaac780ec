-- Runs every few seconds, as a sign of life. Removes what an interrupted `begin` left, and what is too old.
for _, token in ipairs(q.abandoned) do
  local id = redis.call('GET', key('token', token))
  redis.call('SET', key('token', token), 'abandoned', 'PX', milliseconds(0))
  if id and redis.call('HGET', key('entry', id), 'state') == 'intended' then remove(id) end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('ended'), '-inf', text(now - KEPT), 'LIMIT', 0, 100)) do
  remove(id)
end
redis.call('ZREMRANGEBYSCORE', key('calls'), '-inf', text(now - KEPT))
redis.call('ZREMRANGEBYSCORE', key('processes'), '-inf', text(now - DAY))
return ok()
