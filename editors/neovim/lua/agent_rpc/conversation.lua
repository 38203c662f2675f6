--- The conversations that this Neovim holds: each is a fold, a transcript and an
--- input, kept up to date by what the server sends.
local client = require("agent_rpc.client")
local config = require("agent_rpc.config")
local Fold = require("agent_rpc.fold")
local Transcript = require("agent_rpc.transcript")
local window = require("agent_rpc.window")

local M = {}

---@class agent_rpc.Conversation
---@field id string
---@field fold agent_rpc.Fold
---@field transcript agent_rpc.Transcript
---@field input integer buffer
---@field cursor table where the server's events have come to: { epoch, seq }
---@field folder string absolute path
---@field started integer? when the run began that goes on, by vim.uv.now()
---@field held table[]? notifications that wait for events that were left out
---@field server_gone string? how the server ended, while it is not there
local Conversation = {}
Conversation.__index = Conversation

local all = {} ---@type table<string, agent_rpc.Conversation>
local latest ---@type string? id of the one that was shown last

--- The User autocommands, by their name without AgentRpc: when they come, and what
--- is in `data`.
M.autocommands = {
  { "Event", "an event is stored: id, seq, event (OpenHands' JSON), display" },
  { "State", "the state has changed: id, status, stopReason" },
  { "Approval", "something waits for an approval: id, pending" },
  { "Question", "a tool asks you: id, pending" },
  { "Resolved", "an approval or a question is decided: id, requestId, outcome, by" },
  { "End", "a run has ended: id, status, stopReason" },
  { "List", "the list of stored conversations has changed" },
}

---@param name string of the autocommand, without AgentRpc
---@param data table
local function emit(name, data)
  vim.api.nvim_exec_autocmds("User", { pattern = "AgentRpc" .. name, data = data, modeline = false })
end

--- The state of the conversation, as the server's Info has it.
function Conversation:info()
  return self.fold.info
end

function Conversation:title()
  return self:info().title or "New conversation"
end

--- Tells whether a run goes on or waits.
function Conversation:busy()
  local status = self:info().status
  return status == "running"
    or status == "pausing"
    or status == "waiting_for_confirmation"
    or status == "waiting_for_input"
end

---@param info table Info
---@return agent_rpc.Conversation
local function hold(info)
  local self = all[info.id]
  if self then
    self:state(info)
    return self
  end
  self =
    setmetatable({ id = info.id, fold = Fold.new(info), cursor = { epoch = info.cursor.epoch, seq = 0 } }, Conversation)
  self.folder = self.fold.workspace
  self.transcript = Transcript.new(self.fold, "agent-rpc://" .. info.id:sub(1, 8))
  self.transcript.remembers = function(request)
    return require("agent_rpc.approval").remembers(self, request)
  end
  self.input = require("agent_rpc.input").new(self)
  vim.b[self.transcript.buf].agent_rpc_conversation = info.id
  vim.b[self.input].agent_rpc_conversation = info.id
  all[info.id] = self
  require("agent_rpc.keys").transcript(self)
  self:state(info)
  return self
end

function Conversation:state(info)
  local was = self.fold.info
  if info.cursor.epoch ~= self.cursor.epoch and not self.reopening and was ~= info then
    return self:reopen() -- the history is another one now
  end
  self.fold:state(info)
  if self:busy() and info.runId ~= self.run then
    self.run, self.started = info.runId, vim.uv.now()
  end
  if not self:busy() then
    self.started = nil
  end
  self.transcript:soon()
  window.refresh(self)
  emit("State", { id = self.id, status = info.status, stopReason = info.stopReason })
  for _, pending in ipairs(info.pending or {}) do
    if not self.told or self.told[pending.requestId] == nil then
      self.told = self.told or {}
      self.told[pending.requestId] = true
      emit(pending.kind == "input" and "Question" or "Approval", { id = self.id, pending = pending })
    end
  end
  if was.status ~= info.status and not self:busy() and info.stopReason then
    emit("End", { id = self.id, status = info.status, stopReason = info.stopReason })
    vim.cmd("silent! checktime")
  end
end

function Conversation:event(params)
  if self.server_gone then
    return
  end
  if params.epoch ~= self.cursor.epoch then
    self.fold:reset()
    self.transcript:forget()
    self.cursor = { epoch = params.epoch, seq = 0 }
  end
  self.fold:event(params)
  self.cursor.seq = math.max(self.cursor.seq, params.seq)
  self.transcript:soon()
  if not params.replay then
    emit("Event", { id = self.id, seq = params.seq, event = params.event, display = params.display })
    -- Unchanged buffers follow the disk; Neovim leaves those with changes alone.
    if params.event.kind == "ObservationEvent" then
      M.checktime()
    end
  end
end

local checking = false

--- Lets Neovim look whether files have changed, once for what comes together.
function M.checktime()
  if checking then
    return
  end
  checking = true
  vim.defer_fn(function()
    checking = false
    if vim.fn.getcmdwintype() == "" and vim.fn.mode() ~= "c" then
      vim.cmd("silent! checktime")
    end
  end, 100)
end

-- Fetches the events that the server left out because this Neovim was slow. What
-- comes meanwhile waits, for events are taken in their order.
function Conversation:fill(epoch, after, to)
  self.held = self.held or {}
  local function release()
    local held = self.held or {}
    self.held = nil
    for _, item in ipairs(held) do
      client.on_notification(item[1], item[2])
    end
  end
  client.request("conversation/events", { id = self.id, after = after, limit = 500 }, function(err, result)
    if not self.held then
      return -- it was opened anew meanwhile
    elseif err then
      client.tell(err.message)
      return release()
    end
    local last = after
    for _, item in ipairs(result.events) do
      if item.seq <= to then
        self:event({ epoch = epoch, seq = item.seq, event = item.event, display = item.display })
      end
      last = item.seq
    end
    if last < to and last > after then
      return self:fill(epoch, last, to)
    end
    release()
  end)
end

client.on_notification = function(method, params)
  local self = all[params.id or ""]
  if method == "conversation/listChanged" then
    emit("List", {})
  elseif not self then
    return
  elseif self.held then
    table.insert(self.held, { method, params })
  elseif method == "conversation/event" then
    self:event(params)
  elseif method == "conversation/delta" then
    self.fold:delta(params)
    self.transcript:soon()
  elseif method == "conversation/stateChanged" then
    self:state(params)
  elseif method == "conversation/requestResolved" then
    emit("Resolved", params)
  elseif method == "conversation/gap" then
    self:fill(params.epoch, params.after, params.to)
  end
end

client.on_gone = function(how, again)
  for _, self in pairs(all) do
    self.server_gone, self.held = how, nil
    self.fold.streams, self.fold.written = {}, {}
    window.refresh(self)
  end
  if not again then
    client.tell(("the server stopped (%s); every event is on disk. :AgentRpc restart · :AgentRpc log"):format(how))
  end
end

client.on_back = function()
  for _, self in pairs(all) do
    if self.server_gone then
      self:reopen()
    end
  end
end

--- Opens the conversation at the server again, from where it was.
---@param done? fun()
function Conversation:reopen(done)
  local params = { id = self.id, since = self.cursor.seq > 0 and self.cursor or "start" }
  self.reopening = true
  client.request("conversation/open", params, function(err, result)
    if err then
      self.reopening = nil
      return client.tell(err.message)
    end
    self.server_gone, self.reopening = nil, nil
    if result.reset then
      self.fold:reset()
      self.transcript:forget()
      self.cursor = { epoch = result.conversation.cursor.epoch, seq = 0 }
    end
    self:state(result.conversation)
    if done then
      done()
    end
  end)
end

--- Sends a request about this conversation.
---@param method string without conversation/
---@param params table?
---@param done? fun(err: table?, result: any)
function Conversation:request(method, params, done)
  params = vim.tbl_extend("force", { id = self.id }, params or {})
  local function go()
    client.request("conversation/" .. method, params, done)
  end
  if self.server_gone then
    return self:reopen(go)
  end
  go()
end

--- Sends a message and runs.
---@param message string|table[] text or content
---@param how "queue"|"steer"|nil what becomes of it while a run goes on
---@param done? fun(err: table?)
function Conversation:send(message, how, done)
  local params = { message = message, run = true, whenBusy = how or "queue", messageId = M.uuid() }
  self:request("sendMessage", params, function(err)
    if err then
      M.explain(err)
    end
    if done then
      done(err)
    end
  end)
end

--- Takes a queued message back, into the input if that is empty.
---@param id string of the message
function Conversation:take_back(id)
  self:request("unsend", { messageId = id }, function(err, result)
    if err then
      return M.explain(err)
    end
    require("agent_rpc.input").restore(self, result.message)
  end)
end

--- Lets a queued message go in before the next step.
---@param id string of the message
function Conversation:steer_queued(id)
  self:request("unsend", { messageId = id }, function(err, result)
    if err then
      return M.explain(err)
    end
    self:request(
      "sendMessage",
      { message = result.message, messageId = id, run = true, whenBusy = "steer" },
      function(failed)
        if failed then
          M.explain(failed)
          require("agent_rpc.input").restore(self, result.message)
        end
      end
    )
  end)
end

--- Goes back to before a message of the user, which is put into the input.
---@param row agent_rpc.Row
function Conversation:rewind(row)
  self:request("navigate", { eventId = row.parent or vim.NIL }, function(err)
    if err then
      return M.explain(err)
    end
    require("agent_rpc.input").restore(self, { content = { { type = "text", text = row.text } } })
  end)
end

--- Fetches the whole of a string that was too long to be sent.
---@param blob string
---@param done fun(text: string)
---@param sofar string[]?
---@param offset integer?
function Conversation:blob(blob, done, sofar, offset)
  sofar = sofar or {}
  self:request("blob", { blob = blob, offset = offset or 0, limit = 4194304 }, function(err, result)
    if err then
      return M.explain(err)
    end
    sofar[#sofar + 1] = result.text or vim.base64.decode(result.data)
    if result.next then
      return self:blob(blob, done, sofar, result.next)
    end
    done(table.concat(sofar))
  end)
end

--- Tells an error with what helps.
---@param err table
function M.explain(err)
  local data = err.data or {}
  if data.kind == "auth_required" then
    local name = data.setting or data.provider or ""
    -- Without a model there is no key to give yet.
    local help = name == "LLM_MODEL" and ":AgentRpc model PROVIDER/NAME" or ":AgentRpc key " .. name
    client.tell(("%s. In Neovim: %s"):format(err.message:gsub("%.$", ""), vim.trim(help)))
  elseif data.kind == "locked" and data.lockedBy then
    client.tell(("%s (process %s)"):format(err.message, data.lockedBy.pid))
  else
    client.tell(err.message)
  end
end

--- A random UUID, version 4.
function M.uuid()
  local b = { vim.uv.random(16):byte(1, 16) }
  b[7] = bit.bor(bit.band(b[7], 0x0f), 0x40)
  b[9] = bit.bor(bit.band(b[9], 0x3f), 0x80)
  return (("%02x"):rep(16):format(unpack(b)):gsub("^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)", "%1-%2-%3-%4-"))
end

--- The folder of a new conversation.
---@return string
function M.root()
  local root = config.get().root
  local buf = window.file_buffer()
  if type(root) == "function" then
    root = root(buf)
  end
  if not root and vim.bo[buf].buftype == "" and vim.api.nvim_buf_get_name(buf) ~= "" then
    root = vim.fs.root(buf, ".git")
  end
  return (vim.fn.fnamemodify(root or vim.fn.getcwd(), ":p"):gsub("(.)/$", "%1"))
end

--- Makes a conversation and shows it.
---@param folder string? absolute path; M.root() if absent
---@param done? fun(conversation: agent_rpc.Conversation)
function M.new(folder, done)
  folder = folder or M.root()
  client.add_folder(folder)
  client.request("conversation/create", {
    workspace = vim.uri_from_fname(folder),
    confirmationPolicy = config.policy(config.get().policy),
    -- The model's word, and what is known to be dangerous whatever it says.
    securityAnalyzer = {
      kind = "EnsembleSecurityAnalyzer",
      analyzers = { { kind = "LLMSecurityAnalyzer" }, { kind = "PatternSecurityAnalyzer" } },
    },
    autoTitle = true,
  }, function(err, result)
    if err then
      return M.explain(err)
    end
    local self = hold(result.conversation)
    M.show(self)
    if done then
      done(self)
    end
  end)
end

--- Opens a stored conversation and shows it.
---@param info table Info, or { id, workspace }
---@param done? fun(conversation: agent_rpc.Conversation)
function M.open(info, done)
  local held = all[info.id]
  if held then
    M.show(held)
    return done and done(held)
  end
  client.add_folder((vim.uri_to_fname(info.workspace):gsub("(.)/$", "%1")))
  client.request("conversation/open", { id = info.id, since = "start" }, function(err, result)
    if err then
      return M.explain(err)
    end
    local self = hold(result.conversation)
    M.show(self)
    if done then
      done(self)
    end
  end)
end

--- Shows a conversation and makes it the current one.
---@param self agent_rpc.Conversation
function M.show(self)
  latest = self.id
  window.open(self)
end

--- The conversation of the current window, else the one shown last.
---@return agent_rpc.Conversation?
function M.current()
  local id = vim.b.agent_rpc_conversation
  if id and all[id] then
    latest = id
  end
  return all[latest or ""]
end

--- The conversation of a buffer.
---@param buf integer
function M.of(buf)
  return all[vim.b[buf].agent_rpc_conversation or ""]
end

--- All that are held, the newest first.
---@return agent_rpc.Conversation[]
function M.list()
  local out = vim.tbl_values(all)
  table.sort(out, function(a, b)
    return a:info().updatedAt > b:info().updatedAt
  end)
  return out
end

--- Forgets a conversation and its buffers.
---@param self agent_rpc.Conversation
function M.drop(self)
  all[self.id] = nil
  latest = latest ~= self.id and latest or nil
  for _, buf in ipairs({ self.input, self.transcript.buf }) do
    if vim.api.nvim_buf_is_valid(buf) then
      vim.api.nvim_buf_delete(buf, { force = true })
    end
  end
end

return M
