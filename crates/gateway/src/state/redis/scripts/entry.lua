bury_dead_processes()
return ok(entry_with_outcome(q.id))
