--- Times, amounts and counts, as every face of agent-rpc writes them.
local M = {}

--- Days from 1970-01-01 to a date of the Gregorian calendar.
local function days(year, month, day)
  if month <= 2 then
    year, month = year - 1, month + 12
  end
  return 365 * year
    + math.floor(year / 4)
    - math.floor(year / 100)
    + math.floor(year / 400)
    + math.floor((153 * (month - 3) + 2) / 5)
    + day
    - 719469
end

--- Reads a time stamp of an event or a state. One without a zone is taken as
--- UTC: only differences between stamps of one kind matter.
---@param stamp string?
---@return integer? milliseconds since 1970
function M.stamp(stamp)
  local y, mo, d, h, mi, s, rest = tostring(stamp or ""):match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)(.*)$")
  if not y then
    return nil
  end
  local fraction = (rest:match("^%.(%d+)") or "") .. "000"
  local sign, zh, zm = rest:match("([+-])(%d%d):?(%d%d)$")
  local offset = sign and (tonumber(zh) * 60 + tonumber(zm)) * (sign == "-" and -1 or 1) or 0
  local minutes = (days(tonumber(y), tonumber(mo), tonumber(d)) * 24 + tonumber(h)) * 60 + tonumber(mi) - offset
  return (minutes * 60 + tonumber(s)) * 1000 + tonumber(fraction:sub(1, 3))
end

--- 12s, 4m12s, 1h04m.
---@param ms integer
function M.elapsed(ms)
  local s = math.floor(math.max(ms, 0) / 1000)
  if s < 60 then
    return ("%ds"):format(s)
  elseif s < 3600 then
    return ("%dm%02ds"):format(math.floor(s / 60), s % 60)
  end
  return ("%dh%02dm"):format(math.floor(s / 3600), math.floor(s % 3600 / 60))
end

--- How long a step took: 2.1s, then as M.elapsed. Under a second it is noise.
---@param ms integer
---@return string?
function M.took(ms)
  if ms < 1000 then
    return nil
  elseif ms < 10000 then
    local tenths = math.floor(ms / 100)
    return ("%d.%ds"):format(math.floor(tenths / 10), tenths % 10)
  end
  return M.elapsed(ms)
end

---@param usd number
function M.cost(usd)
  if usd > 0 and usd < 0.01 then
    return "<$0.01"
  end
  local cents = math.floor(math.max(usd, 0) * 100 + 0.5)
  return ("$%d.%02d"):format(math.floor(cents / 100), cents % 100)
end

--- A number of tokens: 940, 9.4k, 58k, 1.2M.
---@param n integer
function M.count(n)
  local function tenths(unit, word)
    local t = math.floor(n * 10 / unit + 0.5)
    return ("%d.%d%s"):format(math.floor(t / 10), t % 10, word)
  end
  if n < 1000 then
    return ("%d"):format(math.max(n, 0))
  elseif n < 9950 then
    return tenths(1000, "k")
  elseif n < 999500 then
    return ("%dk"):format(math.floor((n + 500) / 1000))
  end
  return tenths(1000000, "M")
end

---@param n integer
---@param one string
function M.plural(n, one)
  return n == 1 and "1 " .. one or ("%d %ss"):format(n, one)
end

---@class agent_rpc.Usage
---@field cost number USD, over all models and runs
---@field unpriced boolean? it lacks what a model cost whose price nobody knows
---@field tokens integer what went to the models and came from them
---@field context integer size of the agent's last request and answer, in tokens
---@field window integer the model's limit, in tokens; 0 if unknown

--- Adds up the statistics of a state.
---@param info table
---@return agent_rpc.Usage
function M.usage(info)
  local u = { cost = 0, tokens = 0, context = 0, window = 0 }
  local llms = info.llms or {}
  for _, llm in ipairs(llms) do
    u.unpriced = u.unpriced or llm.unpriced or nil
  end
  local own = llms[1] and llms[1].usageId or "agent"
  for name, m in pairs((info.stats or {}).usage_to_metrics or {}) do
    local tokens = m.accumulated_token_usage or {}
    u.cost = u.cost + (m.accumulated_cost or 0)
    u.tokens = u.tokens + (tokens.prompt_tokens or 0) + (tokens.completion_tokens or 0)
    if name == own then
      u.context, u.window = tokens.per_turn_token or 0, tokens.context_window or 0
    end
  end
  return u
end

--- What is known of the cost, in words.
---@param u agent_rpc.Usage
function M.spent(u)
  if not u.unpriced then
    return M.cost(u.cost)
  end
  return u.cost == 0 and "cost unknown" or "over " .. M.cost(u.cost)
end

return M
