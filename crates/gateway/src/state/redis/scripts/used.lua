-- How much of each window is used: the number of permits, when the oldest is free, and the rest of a cooldown; -1 for none.
local used = {}
for _, window in ipairs(q.windows) do
  local name, since = key('permits', q.key, window.class), '(' .. text(now - window.span)
  local oldest = redis.call('ZRANGEBYSCORE', name, since, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  local ends_at = tonumber(redis.call('GET', key('cooldown', q.key, window.class)) or '0')
  table.insert(used, {
    redis.call('ZCOUNT', name, since, '+inf'),
    oldest and oldest + window.span - now or -1,
    ends_at > now and ends_at - now or -1,
  })
end
return ok(used)
