-- Takes a permit of each window, or none. The entry of a change is marked as sent. A request that is repeated finds that its
-- permits are taken.
local function take(who, class, ago, span, id)
  local name = key('permits', who, class)
  redis.call('ZADD', name, text(now - ago), id)
  redis.call('PEXPIRE', name, milliseconds(math.max(span, 3600e6)))
end

local function exhausted(position, next_in, by_scope3)
  return ok({'exhausted', position, next_in, by_scope3})
end

if q.sends then
  local state, owner = unpack(redis.call('HMGET', key('entry', q.sends), 'state', 'process'))
  if owner ~= process or state ~= 'intended' and state ~= 'sent' then
    return ok({'gone', 0, 0, 0})
  end
end
local first = q.windows[1]
if first and redis.call('ZSCORE', key('permits', q.key, first.class), first.id) then
  return ok({'taken', 0, 0, 0})
end
for _, taken in ipairs(q.taken) do
  take(taken.key, taken.class, taken.ago, taken.span, taken.id)
end
-- After a loss, nobody knows how many permits are taken until every process has moved to the new installation.
if redis.call('HDEL', key('installation'), 'settling') == 1 then
  redis.call('HSET', key('installation'), 'settled_at', text(now + LIFE))
end
local settled_at = tonumber(redis.call('HGET', key('installation'), 'settled_at') or '0')
if #q.windows > 0 and settled_at > now then
  return exhausted(1, settled_at - now, 0)
end
for position, window in ipairs(q.windows) do
  local ends_at = tonumber(redis.call('GET', key('cooldown', q.key, window.class)) or '0')
  if ends_at > now then
    return exhausted(position, ends_at - now, 1)
  end
  local name = key('permits', q.key, window.class)
  -- No limit has a longer span than an hour. Another process may have a longer one than this.
  redis.call('ZREMRANGEBYSCORE', name, '-inf', text(now - math.max(window.span, 3600e6)))
  local since = '(' .. text(now - window.span)
  if redis.call('ZCOUNT', name, since, '+inf') >= window.count then
    local oldest = redis.call('ZRANGEBYSCORE', name, since, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    return exhausted(position, (oldest or now) + window.span - now, 0)
  end
end
for _, window in ipairs(q.windows) do
  take(q.key, window.class, 0, window.span, window.id)
end
if q.sends then
  redis.call('HSET', key('entry', q.sends), 'state', 'sent', 'since', text(now))
end
return ok({'taken', 0, 0, 0})
