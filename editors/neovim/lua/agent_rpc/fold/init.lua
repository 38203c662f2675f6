--- The fold: what the server sends of a conversation, in; rows of a transcript,
--- out. The rows are a function of the events, the newest state and what is being
--- written, and of nothing else, so that a reload, a second window and a test see
--- the same. testdata/README.md defines them. Pure Lua: no editor is needed here.
local ending = require("agent_rpc.fold.ending")
local figures = require("agent_rpc.fold.figures")
local words = require("agent_rpc.fold.words")

---@class agent_rpc.Row
---@field id string stays the same for as long as the row is there
---@field kind "user"|"thinking"|"text"|"step"|"plan"|"note"|"error"|"question"|"queued"|"end"
---@field index integer? position among the lasting rows; nil for one at the tail
---@field hidden boolean? nothing of it is shown
---@field text string?
---@field streaming boolean? it is still being written
---@field context string[]? what the user sent along
---@field skills string[]? what the message called for
---@field took string? how long it took
---@field verb string? what a step does
---@field object string? to what
---@field status "running"|"waiting"|"open"|"done"|"failed"|"rejected"|nil
---@field summary string? one line about the outcome
---@field added integer?
---@field removed integer?
---@field output string[]? the end of what a failed step printed
---@field reason string? why a step was rejected, or why a run ended
---@field risk string?
---@field ask agent_rpc.Ask? how a step waits for an approval
---@field items { title: string, status: string }[]? of a plan
---@field facts string[]? of an ending
---@field details string[]? of an ending or an error
---@field action table? the step's action, as the model gave it
---@field display table? the newest Display of the step
---@field result string? all that the step printed
---@field live string? what it has printed so far
---@field blob string? where the whole of a result is that was too long
---@field parent string? id of the event before a message of the user
---@field message string? id of a queued message
---@field seq integer? of the event that made it
---@field time string? time stamp of that event

---@class agent_rpc.Ask
---@field request string
---@field n integer
---@field of integer
---@field why string
---@field action table PendingAction

---@class agent_rpc.Fold
---@field workspace string absolute path
---@field info table the newest state
---@field rows agent_rpc.Row[] the lasting ones
---@field touched table<agent_rpc.Row, true> lasting rows that changed since take()
local Fold = {}
Fold.__index = Fold

---@param info table Info
---@return agent_rpc.Fold
function Fold.new(info)
  local self = setmetatable({}, Fold)
  self:reset()
  self:state(info)
  return self
end

--- Forgets all events, for a replay from the start.
function Fold:reset()
  self.rows, self.touched = {}, {}
  self.calls = {} ---@type table<string, agent_rpc.Row> steps without a result, by tool_call_id
  self.actions = {} ---@type table<string, agent_rpc.Row> all of them, by the action's id
  self.streams, self.written = {}, {}
  self.asked = {} ---@type table<string, boolean> answers of the model that the policy asked about
  self.seq, self.told = 0, nil
  self.turn = { steps = 0 }
end

---@param row agent_rpc.Row
function Fold:append(row)
  row.index = #self.rows + 1
  self.rows[row.index] = row
  return row
end

function Fold:touch(row)
  self.touched[row] = true
end

--- The lasting rows that changed, and forgets that they did.
function Fold:take()
  local touched = self.touched
  self.touched = {}
  return touched
end

local function joined(content)
  local parts = {}
  for _, item in ipairs(content or {}) do
    if item.type == "text" and (item.text or "") ~= "" then
      parts[#parts + 1] = item.text
    end
  end
  return table.concat(parts, "\n")
end

-- Puts the head and the tail of a string that was too long to be sent in its
-- place, and notes the blob.
local function whole(value, blobs)
  if type(value) ~= "table" then
    return value
  elseif type(value.blob) == "string" and value.head and value.tail and value.size then
    blobs[#blobs + 1] = value.blob
    local left = math.max(value.size - #value.head - #value.tail, 0)
    return ("%s\n[%d bytes are not shown]\n%s"):format(value.head, left, value.tail)
  end
  for key, item in pairs(value) do
    if type(item) == "table" then
      value[key] = whole(item, blobs)
    end
  end
  return value
end

--- Takes the next event. One that was seen before is passed over.
---@param params table EventNotification
function Fold:event(params)
  if params.seq <= self.seq then
    return
  end
  self.seq = params.seq
  local blobs = {}
  local e = whole(params.event, blobs)
  local at = figures.stamp(e.timestamp)
  -- The methods for kinds of events are the ones in capitals.
  local take = tostring(e.kind):match("^%u") and self[e.kind]
  if take then
    take(self, e, params.display, at)
  elseif params.display and (params.display.title or "") ~= "" then
    self:append({ id = e.id, kind = "note", text = params.display.title })
  end
  local row = self.rows[#self.rows]
  if row and not row.seq then
    row.seq, row.time = params.seq, e.timestamp
  end
  local call = e.kind == "ObservationEvent" and self.actions[e.action_id]
  if call then
    call.blob = blobs[1]
  end
  self.turn.last = at or self.turn.last
  self:settle()
end

-- Begins a turn where the one before has come to an end.
function Fold:begin(at)
  if self.turn.over or not self.turn.start then
    self.turn = { steps = 0, start = at, last = at, plan = self.turn.plan }
  end
end

-- Appends the ending of a turn.
function Fold:finish(id, reason)
  local row = self:append({ id = "end:" .. id, kind = "end", reason = reason, turn = self.turn })
  self.turn.over = true
  ending.tell(row, self.turn)
end

-- Counts the answers of the model: several actions may be from one.
function Fold:count(e)
  self:begin(figures.stamp(e.timestamp))
  local response = e.llm_response_id or e.id
  if response ~= self.turn.response then
    self.turn.response = response
    self.turn.steps = self.turn.steps + 1
  end
  self.turn.final, self.turn.rejected = nil, nil
end

local function context_of(text, workspace)
  local what, path = text:match("^%[(%a+)%] ([^\n]+)")
  if what == "diagnostics" then
    return "problems in " .. words.relative(workspace, path)
  elseif what == "file" or what == "selection" then
    return words.relative(workspace, path)
  end
end

-- Splits what a user sent into the text and what was sent along.
local function split_message(content, workspace)
  local texts, context = {}, {}
  for i, item in ipairs(content or {}) do
    local along = i > 1 and item.type == "text" and context_of(item.text or "", workspace)
    if along then
      context[#context + 1] = along
    elseif item.type == "text" then
      texts[#texts + 1] = item.text
    else
      context[#context + 1] = figures.plural(#(item.image_urls or {}), "image")
    end
  end
  return words.trim(table.concat(texts, "\n")), context
end

function Fold:MessageEvent(e, _, at)
  local message = e.llm_message or {}
  if e.source == "agent" then
    self:count(e)
    self:written_out(e.id)
    self:think(e, message.reasoning_content, message.thinking_blocks, at)
    self:say(e.id, joined(message.content))
    self.turn.final = true
  elseif e.source == "user" then
    if self.turn.final then
      self:finish(e.id, "finished")
    elseif self.turn.rejected then
      self:finish(e.id, "rejected")
    end
    self:begin(at)
    self.turn.plan_row = nil
    local text, context = split_message(message.content, self.workspace)
    local row = { id = e.id, kind = "user", text = text, context = context, skills = e.activated_skills }
    row.parent = e.parent_id
    self:append(row)
  else
    local text = words.first_line(joined(message.content))
    if text ~= "" then
      self:append({ id = e.id, kind = "note", text = "To the agent: " .. text })
    end
  end
end

function Fold:think(e, reasoning, blocks, at)
  local text = words.trim(reasoning or "")
  if text == "" then
    local parts = {}
    for _, block in ipairs(blocks or {}) do
      local thinking = words.trim(block.thinking or "")
      if thinking ~= "" then
        parts[#parts + 1] = thinking
      end
    end
    text = table.concat(parts, "\n")
  end
  if text ~= "" then
    local took = at and self.turn.last and figures.took(at - self.turn.last)
    self:append({ id = "think:" .. e.id, kind = "thinking", text = text, took = took })
  end
end

function Fold:say(id, text)
  text = words.trim(text)
  if text ~= "" then
    self:append({ id = "text:" .. id, kind = "text", text = text })
  end
end

-- Calls that show something else than a step: an answer, a thought, a plan.
local quiet = { FinishAction = true, ThinkAction = true, TaskTrackerAction = true }

function Fold:ActionEvent(e, display, at)
  self:count(e)
  self:written_out(e.id)
  self:think(e, e.reasoning_content, e.thinking_blocks, at)
  self:say(e.id, joined(e.thought))
  local action = e.action or {}
  if action.kind == "ThinkAction" and words.trim(action.thought or "") ~= "" then
    self:append({ id = "thought:" .. e.id, kind = "thinking", text = words.trim(action.thought) })
  end
  local risk = display and display.risk
  local response = e.llm_response_id or e.id
  self.asked[response] = self.asked[response] or words.asks(self.info.confirmationPolicy, risk)
  local row = self:append({
    id = e.id,
    kind = "step",
    hidden = quiet[action.kind],
    status = "running",
    risk = risk,
    action = action,
    display = display,
    started = at,
    tool = e.tool_name,
    response = response,
  })
  row.verb, row.object = words.subject(display, e.tool_name, self.workspace)
  self.calls[e.tool_call_id] = row
  self.actions[e.id] = row
end

-- Gives the step of a call that has its answer now.
function Fold:answered(e, display)
  local row = self.calls[e.tool_call_id]
  self.calls[e.tool_call_id] = nil
  if not row then
    row = self:append({ id = e.id, kind = "step" })
    row.verb, row.object = words.subject(display, e.tool_name, self.workspace)
  end
  row.display = display or row.display
  row.ask, row.live = nil, nil
  self:touch(row)
  return row
end

-- How long a call ran: from its action or the event before its result. What the
-- user was asked about waited too, so nothing is said of it.
function Fold:took(row, at)
  if not at or not row.started or self.asked[row.response] then
    return nil
  end
  return figures.took(at - math.max(row.started, self.turn.last or 0))
end

local function tail(lines)
  local out = {}
  for i = math.max(#lines - 9, 1), #lines do
    out[#out + 1] = lines[i]
  end
  return out
end

-- A failed step: its summary, else the first line, and the end of what it printed.
local function fail(row, text)
  local lines = words.lines(text)
  if #lines == 1 and words.trim(lines[1]) == "" then
    lines = {}
  end
  row.status, row.hidden = "failed", nil
  if not row.summary and lines[1] then
    row.summary = words.trim(table.remove(lines, 1))
  end
  if #lines == 1 and lines[1] == row.summary then
    lines = {}
  end
  row.output = tail(lines)
end

function Fold:ObservationEvent(e, display, at)
  local row = self:answered(e, display)
  local o = e.observation or {}
  local text = joined(o.content)
  local failed = o.is_error or display and display.status == "failed"
  row.took = self:took(row, at)
  row.result = text
  if not failed then
    row.status = "done"
    if o.kind == "FinishObservation" then
      self.turn.final = true
      self:say(e.id, row.action and row.action.message or text)
      return
    elseif o.task_list then
      self:planned(e.id, o.task_list)
      return
    end
  end
  local summary = words.trim(display and display.summary or "")
  local added, removed = summary:match("^%+(%d+) %-(%d+)$")
  if added and not failed then
    row.added, row.removed = tonumber(added), tonumber(removed)
  elseif summary ~= "" then
    row.summary = summary
  end
  if failed then
    fail(row, text)
  end
end

function Fold:planned(id, list)
  local items = {}
  for i, task in ipairs(list) do
    items[i] = { title = task.title, status = task.status }
  end
  self.turn.plan = items
  local row = self.turn.plan_row
  if row then
    row.items = items
    self:touch(row)
  elseif #items > 0 then
    self.turn.plan_row = self:append({ id = "plan:" .. id, kind = "plan", items = items })
  end
end

function Fold:AgentErrorEvent(e, display, at)
  local row = self:answered(e, display)
  row.took = self:took(row, at)
  fail(row, e.error or "")
end

local default_rejection = "User rejected the action"

function Fold:UserRejectObservation(e, display)
  local row = self:answered(e, display)
  row.status, row.hidden = "rejected", nil
  if e.rejection_reason ~= default_rejection then
    row.reason = e.rejection_reason
  end
  self.turn.rejected = not row.reason
end

function Fold:ConversationErrorEvent(e)
  self:begin(figures.stamp(e.timestamp))
  self.turn.failure = e
  self.turn.last = figures.stamp(e.timestamp) or self.turn.last
  self:finish(e.id, ending.of_code(e.code))
end

function Fold:PauseEvent(e)
  self:finish(e.id, "paused")
end

function Fold:InterruptEvent(e)
  self:finish(e.id, "interrupted")
end

function Fold:Condensation(e)
  local became = e.summary and "→ summary" or "forgotten"
  local n = figures.plural(#(e.forgotten_event_ids or {}), "event")
  self:append({ id = e.id, kind = "note", text = ("History condensed: %s %s"):format(n, became) })
end

function Fold:CondensationRequest(e)
  self:append({ id = e.id, kind = "note", text = "Condensing the history" })
end

function Fold:HookExecutionEvent(e)
  if e.success and not e.blocked then
    return
  end
  local row = { id = e.id, kind = "step", verb = "Hook", object = e.hook_event_type .. " " .. (e.hook_command or "") }
  row.summary = "exit " .. tostring(e.exit_code)
  if (e.error or "") ~= "" then
    row.summary = words.first_line(e.error)
  end
  if e.blocked then
    row.summary = (e.reason or "") ~= "" and "blocked: " .. words.first_line(e.reason) or "blocked"
  end
  self:append(row)
  fail(row, e.stderr or "")
end

-- Nothing that a person would want to read.
local function ignore() end
for kind in
  ("SystemPromptEvent CondensationSummaryEvent ConversationStateUpdateEvent StreamingDeltaEvent TokenEvent LLMCompletionLogEvent"):gmatch(
    "%a+"
  )
do
  Fold[kind] = ignore
end

--- Takes the whole state, the newest each time.
---@param info table Info
function Fold:state(info)
  self.info = info
  self.workspace = words.path(info.workspace or ""):gsub("/$", "")
  if ending.reason(info) then
    self.streams, self.written = {}, {}
  end
  self:settle()
end

--- Takes a piece of what is being written.
---@param params table DeltaNotification
function Fold:delta(params)
  local id = params.target.messageId
  if id then
    local stream = self.streams[id]
    if not stream then
      stream = { id = id }
      self.streams[id] = stream
      self.written[#self.written + 1] = stream
    end
    stream[params.stream] = (stream[params.stream] or "") .. params.text
    return
  end
  local row = self.calls[params.target.toolCallId]
  if row and params.stream == "stdout" then
    row.live = (row.live or "") .. params.text
    self:touch(row)
  end
end

-- The event that replaces a stream is there.
function Fold:written_out(id)
  if self.streams[id] then
    self.streams[id] = nil
    for i, stream in ipairs(self.written) do
      if stream.id == id then
        table.remove(self.written, i)
        break
      end
    end
  end
end

local goes_on = { running = true, pausing = true, waiting_for_confirmation = true, waiting_for_input = true }

-- Brings what depends on the state up to date: the steps that are open, and the
-- ending of the last run.
function Fold:settle()
  local info, asks = self.info, {}
  for _, pending in ipairs(info.pending or {}) do
    if pending.kind ~= "input" then
      for i, action in ipairs(pending.actions) do
        asks[action.actionId] = {
          request = pending.requestId,
          n = i,
          of = #pending.actions,
          why = words.why(action, pending, info.confirmationPolicy),
          action = action,
        }
      end
    end
  end
  for _, row in pairs(self.calls) do
    local ask = asks[row.id]
    local status = ask and "waiting" or goes_on[info.status] and "running" or "open"
    local hidden = quiet[row.action.kind] and not ask or nil
    local was = row.ask and row.ask.request
    if status ~= row.status or (ask and ask.request) ~= was or hidden ~= row.hidden then
      row.status, row.ask, row.hidden = status, ask, hidden
      row.risk = row.risk or ask and ask.action.risk
      self:touch(row)
    end
  end

  local last = self.rows[#self.rows]
  if self.told and self.told ~= last then
    ending.tell(self.told, self.told.turn)
    self:touch(self.told)
    self.told = nil
  end
  if last and last.kind == "end" and ending.reason(info) then
    self.told = last
    ending.tell(last, last.turn, info)
    self:touch(last)
  end
end

--- The rows behind the lasting ones: what is being written, asked and queued,
--- and how the last run ended where no event says it.
---@return agent_rpc.Row[]
function Fold:tail()
  local rows, info = {}, self.info
  for _, stream in ipairs(self.written) do
    if words.trim(stream.reasoning or "") ~= "" then
      rows[#rows + 1] = {
        id = "think:" .. stream.id,
        kind = "thinking",
        text = words.trim(stream.reasoning),
        streaming = stream.text == nil,
      }
    end
    local text = words.trim(stream.text or "")
    if text ~= "" then
      rows[#rows + 1] = { id = "text:" .. stream.id, kind = "text", text = text, streaming = true }
    end
  end
  for _, pending in ipairs(info.pending or {}) do
    if pending.kind == "input" then
      rows[#rows + 1] =
        { id = "ask:" .. pending.requestId, kind = "question", text = pending.message or "", pending = pending }
    end
  end
  for _, queued in ipairs(info.queued or {}) do
    local text, context = split_message((queued.message or {}).content, self.workspace)
    local id = queued.messageId
    rows[#rows + 1] = { id = "queued:" .. id, kind = "queued", text = text, context = context, message = id }
  end
  local last, reason = self.rows[#self.rows], ending.reason(info)
  if last and reason and last.kind ~= "end" and (last.kind ~= "user" or reason ~= "finished") then
    local row = { id = "end", kind = "end", reason = reason }
    ending.tell(row, self.turn, info)
    rows[#rows + 1] = row
  end
  return rows
end

--- The model's answers in this turn.
function Fold:steps()
  return self.turn.steps
end

--- Done and all items of the newest plan, and the item that is worked on.
---@return integer done, integer all, string? current
function Fold:plan()
  local done, current, first = 0, nil, nil
  local items = self.turn.plan or {}
  for _, item in ipairs(items) do
    if item.status == "done" then
      done = done + 1
    elseif item.status == "in_progress" then
      current = current or item.title
    else
      first = first or item.title
    end
  end
  return done, #items, current or first
end

return Fold
