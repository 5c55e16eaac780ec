-- What the journal knows about an intent.
bury_dead_processes()
local named, same, version = known()
local confirmation = q.confirmation and redis.call('HGETALL', key('confirmation', q.confirmation)) or {}
local damaged = redis.call('HEXISTS', key('installation'), 'damaged')
return ok({q.keys, damaged, version, entry_with_outcome(named), entry_with_outcome(same), confirmation})
