-- What nodes state of limits that they share, heard in one step for all owners of a call.
--
-- KEYS[1] says since when everything is remembered; each further key is one owner's. What is kept of an owner:
--   t  the moment, in milliseconds of this server's clock, as of which the levels are
--   s  since when it is remembered
--   a  how many requests were told to be used, or have lapsed, soon after that
--   h  until then nothing is reserved, as something was forgotten
--   l  by the name of the limit: what a request puts in, what leaks in a millisecond, the level, when it was named last
--   n  by the node: number, since, total, reserved, until, lapsed, seen
-- Levels are whole numbers far below 2^53, so nothing is rounded. Levels leak; what is reserved does not.

local MOST = 4503599627370496
local FORGET_NODE = 120000
local KEEP = 5000

local NUMBER, SINCE, TOTAL, RESERVED, UNTIL, LAPSED, SEEN = 1, 2, 3, 4, 5, 6, 7
local CELL, LEAK, LEVEL, NAMED = 1, 2, 3, 4

local now = clock()
local node, lasts, hold, nodes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local at = 4

local function text()
  at = at + 1
  return ARGV[at]
end

local function number()
  return tonumber(text())
end

-- Lets the levels leak until a moment. If the clock goes back, time stands still.
local function pass(state, moment)
  local elapsed = moment - state.t
  if elapsed <= 0 then return end
  for _, limit in pairs(state.l) do
    limit[LEVEL] = math.max(0, limit[LEVEL] - elapsed * limit[LEAK])
  end
  state.t = moment
end

-- Whether it is remembered for so short a time that nodes may still tell what was known before.
local function is_new(state)
  return now - (state.s or 0) < hold
end

local function put(state, cells)
  if is_new(state) then state.a = state.a + cells end
  for _, limit in pairs(state.l) do
    limit[LEVEL] = math.max(0, math.min(MOST, limit[LEVEL] + cells * limit[CELL]))
  end
end

-- What is reserved by nodes that were not heard of in time counts as used at the end of that time.
local function lapse(state)
  local over = {}
  for _, entry in pairs(state.n) do
    if entry[RESERVED] > 0 and entry[UNTIL] <= now then over[#over + 1] = entry end
  end
  table.sort(over, function(a, b) return a[UNTIL] < b[UNTIL] end)
  for _, entry in ipairs(over) do
    pass(state, entry[UNTIL])
    put(state, entry[RESERVED])
    entry[LAPSED] = entry[LAPSED] + entry[RESERVED]
    entry[RESERVED] = 0
  end
  pass(state, now)
end

-- Takes over the limits as they are now. One that keeps its name keeps the requests used of it, rounded up. One that is not named goes
-- a moment later: it may have been added, and the node not have heard of it when it last used something.
local function adopt(state, limits)
  local kept = {}
  for _, limit in ipairs(limits) do
    local old, level = state.l[limit.name], 0
    if old then
      level = old[LEVEL]
      if old[CELL] ~= limit.cell then level = math.min(MOST, math.ceil(level / old[CELL]) * limit.cell) end
    end
    kept[limit.name] = { limit.cell, limit.leak, level, now }
  end
  for name, old in pairs(state.l) do
    if not kept[name] and now - old[NAMED] < 2 * lasts then kept[name] = old end
  end
  state.l = kept
end

local function others(state)
  local sum = 0
  for name, entry in pairs(state.n) do
    if name ~= node then
      if entry[RESERVED] > 0 then
        sum = sum + entry[RESERVED]
      elseif now - entry[SEEN] > FORGET_NODE then
        state.n[name] = nil
      end
    end
  end
  return sum
end

-- How many requests fit beside what is used and reserved.
local function free(state, limits, reserved)
  local least = MOST
  for _, limit in ipairs(limits) do
    least = math.min(least, math.floor((limit.room - state.l[limit.name][LEVEL]) / limit.cell))
  end
  return least - reserved
end

-- How long until so many requests fit, if nothing is used meanwhile, and which limit takes longest.
local function wait(state, limits, cells)
  local longest, place = 0, 0
  for index, limit in ipairs(limits) do
    local beyond = state.l[limit.name][LEVEL] + cells * limit.cell - limit.room
    local millis = math.ceil(beyond / limit.leak)
    if millis > longest then longest, place = millis, index - 1 end
  end
  return longest, place
end

local function keep(key, state)
  local lives = 2 * lasts
  for _, entry in pairs(state.n) do
    lives = math.max(lives, entry[UNTIL] - now)
  end
  for _, limit in pairs(state.l) do
    local reserved = 0
    for _, entry in pairs(state.n) do reserved = reserved + entry[RESERVED] end
    lives = math.max(lives, math.ceil((limit[LEVEL] + reserved * limit[CELL]) / limit[LEAK]))
  end
  lives = math.max(lives, (state.h or 0) - now)
  redis.call('SET', key, cmsgpack.pack(state), 'PX', string.format('%.0f', lives + KEEP))
end

local function read()
  local told = {
    since = number(), number = number(), answered = number(), total = number(), back = number(), total_known = number(),
    kept = number(), was_alone = number() == 1, most = number(), need = number(), least = number(), limits = {},
  }
  for index = 1, number() do
    told.limits[index] = { name = text(), cell = number(), leak = number(), room = number(), floor = number() }
  end
  return told
end

-- Takes over what a node says that it knows: it is not known here, or has used something on its own.
local function recall(state, told, knows)
  if not knows and told.answered > 0 and not is_new(state) then
    -- Something of it was forgotten, as if all had been.
    state.s, state.a = now, 0
  end
  local forgotten = told.kept
  for _, limit in ipairs(told.limits) do
    local floor = limit.floor
    if not knows and is_new(state) then floor = math.min(MOST, floor + state.a * limit.cell) end
    local level = state.l[limit.name]
    level[LEVEL] = math.max(level[LEVEL], floor)
    forgotten = math.max(forgotten, limit.floor)
  end
  if not knows and told.answered > 0 and forgotten > 0 then state.h = now + hold end
end

-- Puts down what the node has used since it was heard last. Says whether what it keeps is still reserved.
local function hear(state, told)
  local entry = state.n[node]
  local knows = entry ~= nil and entry[SINCE] == told.since and entry[NUMBER] >= told.answered
  local covered, used, total = 0, 0, told.total - told.back
  if told.was_alone or not knows then recall(state, told, knows) end
  if knows then covered = entry[LAPSED] end
  if told.was_alone then
    used = 0
  elseif knows then
    used = total - entry[TOTAL]
  else
    -- What it gives back may be given back in the level that it knows.
    used = math.max(0, told.total - told.total_known)
  end
  if used > covered then
    put(state, used - covered)
    covered = 0
  elseif used < 0 then
    put(state, used)
  else
    covered = covered - used
  end
  local keeps = covered == 0 or told.kept == 0
  -- What the node may still use of what has lapsed is told by its next statement.
  if told.kept == 0 then covered = 0 end
  state.n[node] = { told.number, told.since, total, keeps and told.kept or 0, now + lasts, covered, now }
  return keeps
end

local function state(key, settled)
  local told = read()
  local kept = redis.call('GET', key)
  local state = kept and cmsgpack.unpack(kept) or { t = now, s = now, a = 0, l = {}, n = {} }
  local entry = state.n[node]
  if entry and entry[NUMBER] >= told.number then return false end
  lapse(state)
  adopt(state, told.limits)
  local keeps = hear(state, told)
  entry = state.n[node]
  local by_others = others(state)
  local reserved = by_others + entry[RESERVED]
  local left, granted, millis, place = free(state, told.limits, reserved), 0, 0, 0
  local unsettled = math.max(0, (state.h or 0) - now)
  if settled and keeps and unsettled == 0 then
    local fair = math.max(told.need, math.floor(left / (2 * nodes)))
    granted = math.max(0, math.min(told.most, left, fair))
    local more = 1
    if granted < told.least then granted, more = 0, told.least end
    millis, place = wait(state, told.limits, reserved + granted + more)
  end
  entry[RESERVED] = entry[RESERVED] + granted
  keep(key, state)
  local answer = { keeps and 1 or 0, granted, unsettled, millis, place, by_others }
  for _, limit in ipairs(told.limits) do answer[#answer + 1] = state.l[limit.name][LEVEL] end
  return answer
end

local epoch = tonumber(redis.call('GET', KEYS[1]) or nil)
if not epoch or epoch > now then
  epoch = now
  redis.call('SET', KEYS[1], string.format('%.0f', epoch))
end
local unsettled = math.max(0, epoch + hold - now)
local answers = {}
for index = 2, #KEYS do
  answers[index - 1] = state(KEYS[index], unsettled == 0)
end
return { epoch, unsettled, answers }
