-- What the scripts of the journal share. An entry is a hash; its outcome is a key of its own, which ends earlier. Sorted sets
-- of ids: `journal` has all, `open` and `unknown` those of a state, `ended` the others by time, `same:…` the entries of a key
-- and digest that were not refused, `named:…` those to which a caller gave the same name.
local KEPT = 90 * DAY

local function indexes(id)
  local found = redis.call('HMGET', key('entry', id), 'key', 'digest', 'caller_key')
  local same = found[1] and key('same', found[1], found[2])
  return same, found[1] and found[3] and key('named', found[1], found[3])
end

-- Takes an entry that commits no money after all out of the total of its day.
local function forget_commitment(id)
  local spent = redis.call('HGET', key('entry', id), 'spent')
  if spent then redis.call('ZREM', key('spent', spent), id) end
end

-- What a spender has committed since the day began, in hundredths.
local function committed()
  local total = 0
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('spent', q.spent), text(q.day), '+inf')) do
    total = total + (tonumber(redis.call('HGET', key('entry', id), 'committed')) or 0)
  end
  return total
end

local function remove(id)
  local same, named = indexes(id)
  forget_commitment(id)
  if same then redis.call('ZREM', same, id) end
  if named then redis.call('ZREM', named, id) end
  for _, set in ipairs({'journal', 'open', 'unknown', 'ended'}) do
    redis.call('ZREM', key(set), id)
  end
  redis.call('DEL', key('entry', id), key('outcome', id))
end

-- Gives an entry a state that is not open.
local function close(id, state)
  local name = key('entry', id)
  redis.call('HSET', name, 'state', state, 'since', text(now))
  redis.call('ZREM', key('open'), id)
  if state == 'unknown' then
    redis.call('ZADD', key('unknown'), id, id)
    return
  end
  redis.call('ZREM', key('unknown'), id)
  redis.call('ZADD', key('ended'), text(now), id)
  redis.call('PEXPIRE', name, milliseconds(KEPT))
  if state == 'refused' then
    redis.call('ZREM', indexes(id), id)
    forget_commitment(id)
  end
end

-- The outcome of what a dead process sent is unknown. What it had not sent was not made.
local function bury_dead_processes()
  local is_alive = {[process] = true}
  for _, id in ipairs(redis.call('ZRANGE', key('open'), 0, -1)) do
    local owner, state = unpack(redis.call('HMGET', key('entry', id), 'process', 'state'))
    if not owner then
      remove(id)
    else
      if is_alive[owner] == nil then
        local seen = redis.call('ZSCORE', key('processes'), owner)
        is_alive[owner] = seen and now - seen <= LIFE or false
      end
      if not is_alive[owner] then
        redis.call('HSET', key('entry', id), 'code', 'INTERRUPTED')
        close(id, state == 'sent' and 'unknown' or 'refused')
      end
    end
  end
end

local function entry(id)
  local fields = redis.call('HGETALL', key('entry', id))
  return #fields > 0 and fields
end

local function entry_with_outcome(id)
  local fields = id and entry(id)
  local outcome = fields and redis.call('GET', key('outcome', id))
  if outcome then
    table.insert(fields, 'outcome')
    table.insert(fields, outcome)
  end
  return fields or false
end

-- The newest id in a set. Entries that Redis has dropped are removed from it.
local function newest(name)
  while true do
    local id = redis.call('ZREVRANGE', name, 0, 0)[1]
    if not id or redis.call('EXISTS', key('entry', id)) == 1 then return id end
    redis.call('ZREM', name, id)
  end
end

-- The newest id in the sets of all keys of the caller.
local function newest_of(kind, name)
  local found
  for _, of in ipairs(q.keys) do
    local id = newest(key(kind, of, name))
    if id and (not found or tonumber(id) > tonumber(found)) then found = id end
  end
  return found
end

-- What is known about an intent: the newest entry with the caller's name, the newest that is the same, and a word that
-- changes when one of them or the confirmation does.
local function known()
  local named = q.caller_key and newest_of('named', q.caller_key)
  local same = newest_of('same', q.digest)
  local function state(id)
    return id and id .. ' ' .. redis.call('HGET', key('entry', id), 'state') or '-'
  end
  local function used(code)
    return code and redis.call('HGET', key('confirmation', code), 'used') or '-'
  end
  local total = q.spent and q.day and text(committed()) or '-'
  return named, same, table.concat({state(named), state(same), used(q.confirmation), used(q.reply), total}, ' ')
end
