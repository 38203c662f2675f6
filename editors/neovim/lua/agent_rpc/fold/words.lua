--- What is said of steps, policies and failures; the same words in every face
--- of agent-rpc.
local M = {}

-- The words that a title may begin with: the first is what is done.
local title_verbs = {}
for word in
  ("Read Create Edit Undo Delete Move Search Find List Run Send Reset Wait Fetch Open Call Think Finish"):gmatch("%a+")
do
  title_verbs[word] = true
end

local kind_verbs = {
  read = "Read",
  edit = "Edit",
  delete = "Delete",
  move = "Move",
  search = "Search",
  execute = "Run",
  think = "Think",
  fetch = "Fetch",
}

---@param text string
function M.trim(text)
  return (text:gsub("^%s+", ""):gsub("%s+$", ""))
end

---@param text string
function M.first_line(text)
  return M.trim((M.trim(text):match("^[^\n]*")))
end

---@param text string
---@return string[]
function M.lines(text)
  local out = {}
  for line in (text:gsub("%s+$", "") .. "\n"):gmatch("(.-)\r?\n") do
    out[#out + 1] = line
  end
  return out
end

--- A path as it is shown: relative to the workspace where it is inside.
---@param workspace string absolute path
---@param path string
function M.relative(workspace, path)
  if workspace ~= "" and path:sub(1, #workspace + 1) == workspace .. "/" then
    return path:sub(#workspace + 2)
  end
  return path
end

--- Splits what a tool says of itself into what is done and to what.
---@param display table? Display of the protocol
---@param tool string its name, where it says nothing
---@param workspace string
---@return string verb, string object
function M.subject(display, tool, workspace)
  local title = M.trim((display or {}).title or "")
  if title == "" then
    return "Call", tool
  end
  local word, rest = title:match("^(%S+)%s+(.+)$")
  if word and title_verbs[word] then
    return word, M.relative(workspace, rest)
  end
  local verb = kind_verbs[display.kind] or "Call"
  if title == verb then
    return verb, ""
  end
  return verb, M.relative(workspace, title)
end

--- The path of a file: URI. Anything else is given back as it is.
---@param uri string
function M.path(uri)
  local path = uri:match("^file://[^/]*(/.*)$")
  return path and (path:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end)) or uri
end

local policy_names = { AlwaysConfirm = "ask", NeverConfirm = "never ask", ConfirmRisky = "ask if risky" }

---@param policy table?
function M.policy(policy)
  return policy_names[(policy or {}).kind] or (policy or {}).kind or ""
end

--- Why an action waits: its own reason, or the rule that asks where the reason
--- only repeats the risk.
---@param action table PendingAction
---@param pending table Pending
---@param policy table?
function M.why(action, pending, policy)
  for _, reason in ipairs({ action.reason or "", pending.reason or "" }) do
    if reason ~= "" and not reason:find("its risk is ", 1, true) then
      return reason
    end
  end
  policy = policy or {}
  if policy.kind == "AlwaysConfirm" then
    return 'policy "ask" stops at every action'
  elseif policy.kind == "ConfirmRisky" then
    if (action.risk or "UNKNOWN") == "UNKNOWN" or action.risk == "" then
      return 'policy "ask if risky" stops where the risk is not known'
    elseif (policy.threshold or "HIGH") == "HIGH" then
      return 'policy "ask if risky" stops at high'
    end
    return ('policy "ask if risky" stops at %s and above'):format(policy.threshold:lower())
  end
  return ""
end

local rank = { LOW = 1, MEDIUM = 2, HIGH = 3 }

--- Tells whether the policy would have asked about a risk.
---@param policy table?
---@param risk string?
function M.asks(policy, risk)
  local kind = (policy or {}).kind
  if kind == "ConfirmRisky" then
    if not rank[risk] then
      return policy.confirm_unknown ~= false
    end
    return rank[risk] >= (rank[policy.threshold] or 3)
  end
  return kind ~= nil and kind ~= "NeverConfirm"
end

local failures = {
  auth = "The model refused the key",
  quota = "The account's quota is used up",
  rate_limit = "The model takes no more requests for now",
  config = "The model refused the request",
  transient = "The model could not be reached",
  internal = "The run failed inside agent-rpc",
}

--- Puts an error into words: what happened, and the provider's own text if that
--- says more.
---@param code string?
---@param message string?
---@param class table? Classification
---@return string what, string detail
function M.explain(code, message, class)
  message = M.trim(message or "")
  local what = failures[(class or {}).kind]
  if not what then
    if message ~= "" then
      return M.first_line(message), M.trim(message:match("\n(.*)$") or "")
    end
    return (code or "") ~= "" and "The run failed: " .. code or "The run failed", ""
  end
  local provider, text, status = message:match("^([%w_.-]+): (.*) %(HTTP (%d%d%d)%)$")
  if provider then
    local names = { openai = "OpenAI", openrouter = "OpenRouter" }
    return ("%s (%s, %s)"):format(what, names[provider] or provider:gsub("^%l", string.upper), status), text
  end
  return what, message
end

return M
