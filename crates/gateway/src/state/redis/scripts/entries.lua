-- A page of entries, newest first, without their outcomes. The second value is the id before which the next page begins.
bury_dead_processes()
local before = q.before and '(' .. q.before or '+inf'
local set = key(q.unknown and 'unknown' or 'journal')
local ids = redis.call('ZREVRANGEBYSCORE', set, before, '-inf', 'LIMIT', 0, q.page)
local found = {}
for _, id in ipairs(ids) do
  local fields = entry(id)
  if fields then
    -- Numbers and times ascend together.
    if tonumber(redis.call('HGET', key('entry', id), 'made_at')) < q.since then
      return ok({found, ''})
    end
    table.insert(found, fields)
  end
end
return ok({found, #ids == q.page and ids[#ids] or ''})
