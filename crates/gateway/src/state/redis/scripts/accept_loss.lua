local was_lost = redis.call('HDEL', key('installation'), 'damaged')
return ok(was_lost)
