-- Moves a process to a new installation: with the permits that it took, and with numbers of entries that are still new.
local last = tonumber(redis.call('GET', key('last-entry')) or '0')
if q.last_entry > last then
  redis.call('SET', key('last-entry'), text(q.last_entry))
end
for _, permit in ipairs(q.permits) do
  local name = key('permits', permit.key, permit.class)
  redis.call('ZADD', name, text(now - permit.ago), permit.id)
  redis.call('PEXPIRE', name, milliseconds(3600e6))
end
return ok()
