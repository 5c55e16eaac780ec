-- Settles an entry whose outcome is unknown.
bury_dead_processes()
local is_unknown = redis.call('HGET', key('entry', q.id), 'state') == 'unknown'
if is_unknown then
  close(q.id, q.state)
end
return ok({is_unknown and 1 or 0, entry_with_outcome(q.id)})
