redis.call('SET', key('cooldown', q.key, q.class), text(now + q.wait), 'PX', milliseconds(q.wait))
return ok()
