-- A code that confirms an intent: the one that was issued before, if most of its time is left. Nothing, if what is known about
-- the intent has changed since look.lua.
local _, _, version = known()
if version ~= q.version then
  return ok()
end
local index = key('issued', q.key, q.digest, q.purpose)
local code = redis.call('GET', index)
if code then
  local ends_at, used = unpack(redis.call('HMGET', key('confirmation', code), 'expires_at', 'used'))
  if ends_at and used == '0' and tonumber(ends_at) > now + q.lifetime / 2 then
    return ok({code, ends_at})
  end
end
local name, ends_at = key('confirmation', q.code), text(now + q.lifetime)
redis.call('HSET', name, 'key', q.key, 'tool', q.tool, 'digest', q.digest, 'purpose', q.purpose, 'expires_at', ends_at, 'used', '0')
redis.call('PEXPIRE', name, milliseconds(2 * q.lifetime))
redis.call('SET', index, q.code, 'PX', milliseconds(q.lifetime))
return ok({q.code, ends_at})
