-- Adds to the numbers of calls. The key, the tool and the outcome are one field of an hour.
for _, calls in ipairs(q.calls) do
  local name = key('calls', calls.hour)
  redis.call('HINCRBY', name, calls.field, calls.number)
  redis.call('PEXPIRE', name, milliseconds(90 * DAY))
  redis.call('ZADD', key('calls'), calls.hour, calls.hour)
end
return ok()
