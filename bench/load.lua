-- What wrk sends, and what it reports: one line that the bench reads.
--
-- Arguments: file with the text of a request, in which @KEY@ stands for a key; file with keys, one a line,
-- or "-"; "random" or "sequence"; milliseconds that a connection pauses between requests on average; how many keys a
-- sequence passes over at first.

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function lines(path)
  local keys = {}
  for line in io.lines(path) do keys[#keys + 1] = line end
  return keys
end

-- The same request every time: wrk writes it without asking the script, which would cost the load's core more than
-- the socket does.
local function constant(text)
  local head, body = text:match("^(.-)\r\n\r\n(.*)$")
  wrk.method, wrk.path = head:match("^(%S+) (%S+)")
  for name, value in head:gmatch("\r\n([^:]+): ([^\r]*)") do wrk.headers[name] = value end
  wrk.headers["Content-Length"] = nil
  wrk.body = body ~= "" and body or nil
end

function init(args)
  local text, order, pause, passed = read(args[1]), args[3], tonumber(args[4]), tonumber(args[5])
  local keys = args[2] ~= "-" and lines(args[2]) or {}
  if #keys == 0 then
    constant(text)
  elseif #keys == 1 then
    constant((text:gsub("@KEY@", keys[1])))
  else
    local next = passed
    local first, last = text:find("@KEY@", 1, true)
    local head, tail = text:sub(1, first - 1), text:sub(last + 1)
    local pick = {
      random = function() return keys[math.random(#keys)] end,
      sequence = function()
        next = next % #keys + 1
        return keys[next]
      end,
    }
    local picked = pick[order]
    request = function() return head .. picked() .. tail end
  end
  if pause > 0 then
    delay = function() return math.random(2 * pause - 1) end
  end
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format("keystile %d %d %.0f %.0f %d %d",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
