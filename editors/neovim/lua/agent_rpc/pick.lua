--- Pickers, through vim.ui.select, so that they look as the user's others do.
local client = require("agent_rpc.client")
local config = require("agent_rpc.config")
local conversations = require("agent_rpc.conversation")

local M = {}

local function ago(stamp)
  local then_ = require("agent_rpc.fold.figures").stamp(stamp)
  if not then_ then
    return ""
  end
  local s = os.time() - math.floor(then_ / 1000)
  if s < 60 then
    return "now"
  elseif s < 3600 then
    return math.floor(s / 60) .. " min ago"
  elseif s < 86400 then
    return math.floor(s / 3600) .. " h ago"
  end
  return math.floor(s / 86400) .. " d ago"
end

local function describe(info)
  local words = { info.title or info.id:sub(1, 8), info.status:gsub("_", " "), ago(info.updatedAt) }
  words[#words + 1] = vim.fs.basename((vim.uri_to_fname(info.workspace):gsub("/$", "")))
  if info.lockedBy then
    words[#words + 1] = "open in process " .. info.lockedBy.pid
  end
  return table.concat(words, " · ")
end

-- Reads all pages of the list.
local function list(params, done, items)
  client.request("conversation/list", params, function(err, result)
    if err then
      return conversations.explain(err)
    end
    items = vim.list_extend(items or {}, result.items)
    if result.next and #items < 500 then
      return list(vim.tbl_extend("force", params, { cursor = result.next }), done, items)
    end
    done(items)
  end)
end

--- Picks a stored conversation and opens it.
---@param query string? looked for in title, id and folder
function M.history(query)
  list({ query = query ~= "" and query or nil, limit = 100 }, function(items)
    if #items == 0 then
      return client.tell(
        "there are no conversations" .. (query and query ~= "" and " like that" or ""),
        vim.log.levels.INFO
      )
    end
    vim.ui.select(items, { prompt = "Conversations", format_item = describe, kind = "agent_rpc" }, function(info)
      if info then
        conversations.open(info)
      end
    end)
  end)
end

--- Picks one of the conversations that are open here.
function M.switch()
  vim.ui.select(conversations.list(), {
    prompt = "Open conversations",
    kind = "agent_rpc",
    format_item = function(conversation)
      return describe(conversation:info())
    end,
  }, function(conversation)
    if conversation then
      conversations.show(conversation)
    end
  end)
end

--- Picks a model that can be used, or a saved one.
---@param conversation agent_rpc.Conversation
function M.model(conversation)
  client.request("agent/models", {}, function(err, result)
    if err then
      return conversations.explain(err)
    end
    local items = {}
    for _, profile in ipairs(result.profiles or {}) do
      items[#items + 1] =
        { text = ("%s (profile) · %s"):format(profile.name, profile.model), params = { profile = profile.name } }
    end
    for _, model in ipairs(result.models or {}) do
      if model.available then
        items[#items + 1] = { text = model.id, params = { llm = { model = model.id } } }
      end
    end
    if #items == 0 then
      return client.tell("no model has a key: :AgentRpc key NAME", vim.log.levels.WARN)
    end
    vim.ui.select(items, {
      prompt = "Model",
      kind = "agent_rpc",
      format_item = function(item)
        return item.text
      end,
    }, function(item)
      if item then
        conversation:request("switchModel", item.params)
      end
    end)
  end)
end

local policies = {
  { "ask", "ask before every action" },
  { "risky", "ask if risky" },
  { "never", "never ask" },
}

--- Picks when the agent asks.
---@param conversation agent_rpc.Conversation
function M.policy(conversation)
  vim.ui.select(policies, {
    prompt = "When to ask",
    kind = "agent_rpc",
    format_item = function(item)
      return item[2]
    end,
  }, function(item)
    if item then
      conversation:request("setConfirmationPolicy", { policy = config.policy(item[1]) })
    end
  end)
end

return M
