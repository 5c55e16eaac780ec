-- Begins every script but open.lua: checks the installation, advances the clock, and notes that the process is alive.
-- All keys have one hash tag, so a cluster keeps them on one node. Times are in microseconds.
local PREFIX = '{scope3-mcp}:'
local installation, process = ARGV[1], ARGV[2]
local lower, upper = tonumber(ARGV[3]), tonumber(ARGV[4])
local q = cjson.decode(ARGV[6])
local LIFE, DAY = 15e6, 86400e6

local function key(...)
  return PREFIX .. table.concat({...}, ':')
end

-- Decimal notation: Lua's own has 14 digits.
local function text(number)
  return string.format('%.0f', number)
end

-- The time after which Redis may drop a key, in milliseconds. Redis counts it by the clock of its machine, so there is room
-- for a jump of that clock.
local function milliseconds(lifetime)
  return text(math.ceil((lifetime + 2 * DAY) / 1000))
end

if redis.call('HGET', key('installation'), 'id') ~= installation then
  return {'lost', 0, false}
end

-- The clock of the machine, or the one of a test.
local wall = tonumber(ARGV[5])
if not wall then
  local time = redis.call('TIME')
  wall = time[1] * 1e6 + time[2]
end
local stored = redis.call('HMGET', key('clock'), 'time', 'wall')
local now = wall
if stored[1] then
  now = stored[1] + wall - stored[2]
end
-- A time that the process knows to be wrong means that the clock of the machine was set. The time never goes back.
if lower and (now < lower or now > upper) then now = lower end
if stored[1] then now = math.max(now, tonumber(stored[1])) end
redis.call('HSET', key('clock'), 'time', text(now), 'wall', text(wall))
redis.call('ZADD', key('processes'), text(now), process)

local function ok(value)
  return {'ok', now, value or false}
end
