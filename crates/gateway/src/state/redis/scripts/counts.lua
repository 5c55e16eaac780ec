-- The number of calls since a time: hour, field, number, for each.
local counts = {}
for _, hour in ipairs(redis.call('ZRANGEBYSCORE', key('calls'), q.since, '+inf')) do
  local fields = redis.call('HGETALL', key('calls', hour))
  for position = 1, #fields, 2 do
    table.insert(counts, {hour, fields[position], fields[position + 1]})
  end
end
return ok({q.key, counts})
