-- What the journal knows about an intent.
bury_dead_processes()
local named, same, version = known()
local function issued(code)
  return code and redis.call('HGETALL', key('confirmation', code)) or {}
end
local damaged = redis.call('HEXISTS', key('installation'), 'damaged')
return ok({q.keys, damaged, version, entry_with_outcome(named), entry_with_outcome(same), issued(q.confirmation),
  issued(q.reply), text(q.day and committed() or 0)})
