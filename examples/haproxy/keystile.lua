-- Asks Keystile whether a request may pass: `http-request lua.keystile URL`. Needs nothing but HAProxy's own Lua.

-- A gateway that waits is a gateway that is down.
local TIMEOUT_MS = 2000
-- What Keystile reads a key from.
local CREDENTIALS = { "authorization", "x-api-key" }
-- Who it is, as Keystile says on every yes.
local IDENTITY = {
    "x-keystile-key-id", "x-keystile-tenant-id", "x-keystile-application-id", "x-keystile-customer-id",
    "x-keystile-environment", "x-keystile-source-id", "x-keystile-trust-level", "x-keystile-scopes",
}
-- What a refusal tells the client.
local TOLD = { "content-type", "www-authenticate", "retry-after", "ratelimit", "ratelimit-policy" }

-- A list of HAProxy's starts at 0; those that it takes start at 1.
local function list(values)
    local copy = {}
    for index = 0, #values do
        copy[#copy + 1] = values[index]
    end
    return copy
end

local function refuse(txn, status, headers, body)
    txn:done(txn:reply{ status = status, headers = headers, body = body })
end

local function ask(txn, url)
    local sent = txn.http:req_get_headers()
    local headers = {
        ["x-forwarded-for"] = { txn.f:src() },
        ["x-forwarded-method"] = { txn.f:method() },
        ["x-forwarded-uri"] = { txn.f:pathq() },
        ["x-forwarded-host"] = { txn.f:req_fhdr("host") },
    }
    for _, name in ipairs(CREDENTIALS) do
        -- Every line of it, so that Keystile refuses two different keys.
        if sent[name] then headers[name] = list(sent[name]) end
    end
    return core.httpclient():get{ url = url, headers = headers, timeout = TIMEOUT_MS }
end

core.register_action("keystile", { "http-req" }, function(txn, url)
    local answered, answer = pcall(ask, txn, url)
    local status = answered and answer and answer.status or 0
    local said = status ~= 0 and answer.headers or {}
    if status == 200 and said[IDENTITY[1]] then
        for _, name in ipairs(IDENTITY) do
            txn.http:req_set_header(name, said[name] and said[name][0] or "")
        end
        return
    end
    -- Anything that is no refusal of Keystile's is no answer.
    if status < 400 or status >= 500 then
        return refuse(txn, 503, {}, "")
    end
    local told = {}
    for _, name in ipairs(TOLD) do
        if said[name] then told[name] = list(said[name]) end
    end
    refuse(txn, status, told, answer.body or "")
end, 1)
