--- Approvals and questions. They fail closed: nothing is allowed by a closed
--- window, by time or by a key that was meant for something else.
local client = require("agent_rpc.client")

local M = {}

--- The approval that waits, if there is one.
---@param conversation agent_rpc.Conversation
---@return table? pending
function M.pending(conversation)
  for _, pending in ipairs(conversation:info().pending or {}) do
    if pending.kind ~= "input" then
      return pending
    end
  end
end

--- Tells whether a request may be remembered.
---@param conversation agent_rpc.Conversation
---@param request string
function M.remembers(conversation, request)
  for _, pending in ipairs(conversation:info().pending or {}) do
    if pending.requestId == request then
      for _, option in ipairs(pending.options or {}) do
        if option.id == "remember" then
          return true
        end
      end
    end
  end
  return false
end

---@param conversation agent_rpc.Conversation
---@param decision "approve"|"reject"
---@param more table? reason, then, remember
---@param request string? only if this one still waits
---@return boolean decided
function M.decide(conversation, decision, more, request)
  local pending = M.pending(conversation)
  if not pending or (request and pending.requestId ~= request) then
    client.tell("nothing waits for an approval", vim.log.levels.INFO)
    return false
  end
  if decision == "approve" and not conversation.transcript:armed(pending.requestId) then
    client.tell("the approval has only just come; look at it first", vim.log.levels.WARN)
    return false
  end
  local params = vim.tbl_extend("force", { requestId = pending.requestId, decision = decision }, more or {})
  conversation:request("confirm", params, function(err, result)
    if err then
      client.tell(err.message)
    elseif not result.accepted then
      local by = result.resolvedBy or {}
      client.tell("it was decided before, by " .. (by.via or "somebody"), vim.log.levels.INFO)
    end
  end)
  return true
end

--- Asks for a reason and rejects. An empty reason rejects nothing.
---@param conversation agent_rpc.Conversation
function M.reject_with_reason(conversation)
  local pending = M.pending(conversation)
  if not pending then
    return client.tell("nothing waits for an approval", vim.log.levels.INFO)
  end
  vim.ui.input({ prompt = "Reject, because: " }, function(reason)
    if reason and vim.trim(reason) ~= "" then
      M.decide(conversation, "reject", { reason = vim.trim(reason) }, pending.requestId)
    end
  end)
end

-- Asks for the fields of a form one after the other.
local function fill(schema, names, content, done)
  local name = table.remove(names, 1)
  if not name then
    return done(content)
  end
  local field = (schema.properties or {})[name] or {}
  local label = field.title or field.description or name
  local function take(value)
    if value == nil then
      return done(nil)
    end
    content[name] = value
    fill(schema, names, content, done)
  end
  if field.enum then
    vim.ui.select(field.enum, { prompt = label }, take)
  elseif field.type == "boolean" then
    vim.ui.select({ "yes", "no" }, { prompt = label }, function(choice)
      take(choice and choice == "yes")
    end)
  elseif field.type == "array" and field.items and field.items.enum then
    vim.ui.select(field.items.enum, { prompt = label }, function(choice)
      take(choice and { choice })
    end)
  else
    local default = field.default ~= nil and tostring(field.default) or nil
    vim.ui.input({ prompt = label .. ": ", default = default }, function(text)
      if text and (field.type == "number" or field.type == "integer") then
        local number = tonumber(text)
        if not number then
          client.tell(("%s takes a number, not %q"):format(name, text), vim.log.levels.WARN)
        end
        return take(number)
      end
      take(text)
    end)
  end
end

--- Puts the question that waits; leaving it half way leaves it waiting.
---@param conversation agent_rpc.Conversation
---@param action "accept"|"decline"
function M.answer(conversation, action)
  for _, pending in ipairs(conversation:info().pending or {}) do
    if pending.kind == "input" then
      local function reply(content)
        local params = { requestId = pending.requestId, action = action, content = content }
        conversation:request("answer", params, function(err)
          if err then
            client.tell(err.message)
          end
        end)
      end
      if action == "decline" then
        return reply(nil)
      end
      local schema = pending.schema or {}
      local names = vim.tbl_keys(schema.properties or {})
      table.sort(names)
      return fill(schema, names, vim.empty_dict(), function(content)
        if content then
          reply(content)
        end
      end)
    end
  end
  client.tell("nothing is asked", vim.log.levels.INFO)
end

return M
