--- A row of the fold as a block of buffer lines with their marks. What a user would
--- search, yank or have read out is text; durations and hints are virtual.
local look = require("agent_rpc.look")
local words = require("agent_rpc.fold.words")

local M = {}

local diff = vim.text and vim.text.diff or vim.diff

--- How many lines of output and of a diff a card shows.
M.output_lines = 10
M.diff_lines = 60

---@class agent_rpc.Block
---@field lines string[]
---@field marks { [1]: integer, [2]: integer, [3]: table }[] line and column from 0, and the extmark's options
---@field lead integer empty lines before the block
---@field fold "open"|"closed"|nil
---@field markdown string? the text to be highlighted, from the first line on
---@field spins boolean? its sign is a spinner
---@field hints { [1]: integer, [2]: table }[]? virtual lines of keys below a line

local Block = {}
Block.__index = Block

function Block:hl(line, from, to, group)
  self.marks[#self.marks + 1] = { line, from, { end_col = to, hl_group = "AgentRpc" .. group, strict = false } }
end

function Block:sign(line, text, group)
  self.marks[#self.marks + 1] = { line, 0, { sign_text = text, sign_hl_group = "AgentRpc" .. group } }
end

function Block:whole(line, group)
  self.marks[#self.marks + 1] = { line, 0, { line_hl_group = "AgentRpc" .. group } }
end

function Block:right(line, text)
  self.marks[#self.marks + 1] =
    { line, 0, { virt_text = { { text, "AgentRpcHint" } }, virt_text_pos = "right_align", hl_mode = "combine" } }
end

function Block:below(line, chunks)
  self.marks[#self.marks + 1] = { line, 0, { virt_lines = { chunks } } }
end

--- Adds a line of pieces, each a text or { text, group }.
function Block:put(...)
  local text, at, line = "", 0, #self.lines
  for _, piece in ipairs({ ... }) do
    local part, group = piece, nil
    if type(piece) == "table" then
      part, group = piece[1], piece[2]
    end
    part = part:gsub("\n", " ")
    if group and part ~= "" then
      self:hl(line, at, at + #part, group)
    end
    text, at = text .. part, at + #part
  end
  self.lines[line + 1] = text
  return line
end

--- Adds output behind a rail that a yank does not take along.
function Block:rail(text, group)
  local line = self:put({ text, group })
  self.marks[#self.marks + 1] =
    { line, 0, { virt_text = { { look.sign("rail"), "AgentRpcRail" } }, virt_text_pos = "inline" } }
  return line
end

local function verb_and_object(row)
  local object = row.object or ""
  local first = words.first_line(object)
  local more = first ~= object and " …" or ""
  return { row.verb, "Verb" }, { " " .. first .. more, row.verb == "Run" and "Command" or "Object" }
end

local diff_groups = { ["+"] = "DiffAdd", ["-"] = "DiffDelete" }

-- The changed lines with their numbers in the new text, or the old one for those
-- that go.
function Block:diff(d, context, sign)
  local out = diff(d.oldText or "", d.newText or "", { ctxlen = context, result_type = "unified" }) or ""
  local old, new, shown, all = 0, 0, 0, 0
  for _, text in ipairs(words.lines(out)) do
    local from, to = text:match("^@@ %-(%d+),?%d* %+(%d+)")
    local mark = text:sub(1, 1)
    if from then
      old, new = tonumber(from), tonumber(to)
      if all > 0 and shown < M.diff_lines then
        self:put({ "  ⋯", "Meta" })
        if sign then
          sign(#self.lines - 1)
        end
      end
    elseif mark == "+" or mark == "-" or mark == " " then
      all = all + 1
      if shown < M.diff_lines then
        shown = shown + 1
        local line = self:put(("%s %3d  %s"):format(mark, mark == "-" and old or new, text:sub(2)))
        if diff_groups[mark] then
          self:whole(line, diff_groups[mark])
        end
        if sign then
          sign(line)
        end
      end
      old = old + (mark ~= "+" and 1 or 0)
      new = new + (mark ~= "-" and 1 or 0)
    end
  end
  return shown, all
end

local function count(d)
  local added, removed = 0, 0
  for _, hunk in ipairs(diff(d.oldText or "", d.newText or "", { result_type = "indices" }) or {}) do
    removed, added = removed + hunk[2], added + hunk[4]
  end
  return added, removed
end

local shows_all = { { "  ", "AgentRpcHint" }, { "<CR>", "AgentRpcKey" }, { " shows all", "AgentRpcHint" } }

local function rail_of(block, lines, group)
  local from = math.max(#lines - M.output_lines + 1, 1)
  for i = from, #lines do
    block:rail(lines[i], group)
  end
  if from > 1 then
    local hint = vim.deepcopy(shows_all)
    table.insert(hint, 1, { ("  last %d of %d lines,"):format(#lines - from + 1, #lines), "AgentRpcHint" })
    block:below(#block.lines - 1, hint)
  end
end

local risk_words = { LOW = "LOW RISK", MEDIUM = "MEDIUM RISK", HIGH = "HIGH RISK" }
local risk_groups = { LOW = "RiskLow", MEDIUM = "RiskMedium", HIGH = "RiskHigh" }
local part_words = { LOW = "low", MEDIUM = "medium", HIGH = "HIGH" }

local function in_order(t)
  local keys = vim.tbl_keys(t)
  table.sort(keys)
  return ipairs(keys)
end

-- What of an action nothing else shows, so that all that is approved is seen.
local function other_fields(action, command)
  local out = {}
  if action.diff or type(action.input) ~= "table" then
    return out
  end
  for _, key in in_order(action.input) do
    local value = action.input[key]
    local empty = value == vim.NIL or value == false or value == ""
    if key ~= "kind" and not empty and not (command and key == "command") then
      out[#out + 1] = { key, type(value) == "string" and value or vim.json.encode(value) }
    end
  end
  return out
end

-- Marks the parts of the command that raised its risk.
local function risky_parts(block, first, command, parts)
  local starts, at = {}, 0
  for i, text in ipairs(vim.split(command, "\n", { plain = true })) do
    starts[i] = at
    at = at + #text + 1
  end
  local from = 1
  for _, part in ipairs(parts) do
    local a, b = command:find(part.text, from, true)
    if a and part.text ~= "" then
      from = b + 1
      if part.risk == "HIGH" then
        for i, start in ipairs(starts) do
          local stop = starts[i + 1] and starts[i + 1] - 1 or #command
          local lo, hi = math.max(a - 1, start), math.min(b, stop)
          if lo < hi then
            block:hl(first + i - 1, lo - start, hi - start, "RiskPart")
          end
        end
      end
    end
  end
end

local function approval(block, row, where)
  local ask = row.ask
  local action = ask.action
  local risk = action.risk or "UNKNOWN"
  local group = risk_groups[risk] or "RiskMedium"
  local command = action.kind == "execute" and type(action.input) == "table" and action.input.command or nil
  local place = ask.of > 1 and (" · %d of %d"):format(ask.n, ask.of) or ""
  local head
  if action.diff then
    local added, removed = count(action.diff)
    local verb, object = verb_and_object(row)
    head = block:put(verb, object, "? · ", { "+" .. added, "Added" }, " ", { "-" .. removed, "Removed" }, " · ")
  elseif command then
    head = block:put("Run command? · ")
  else
    local verb, object = verb_and_object(row)
    head = block:put(verb, object, "? · ")
  end
  local text = block.lines[head + 1]
  block.lines[head + 1] = text .. (risk_words[risk] or "UNKNOWN RISK") .. place
  block:hl(head, #text, #text + #(risk_words[risk] or "UNKNOWN RISK"), group)
  block:sign(head, look.sign("ask"), group)
  block:whole(head, "AskLine")

  local function bar(line)
    block:sign(line, look.sign("bar"), group)
  end
  local function put(...)
    local line = block:put(...)
    bar(line)
    return line
  end
  local function labelled(label, value)
    for i, part in ipairs(words.lines(value)) do
      put({ i == 1 and (label .. (" "):rep(math.max(4 - #label, 0)) .. " ") or "     ", "Meta" }, part)
    end
  end

  if action.diff then
    local shown, all = block:diff(action.diff, 1, bar)
    if shown < all then
      block:below(#block.lines - 1, {
        { ("  %d of %d lines,"):format(shown, all), "AgentRpcHint" },
        unpack(shows_all),
      })
    end
  elseif command then
    local first = #block.lines
    for _, part in ipairs(vim.split(command, "\n", { plain = true })) do
      put(part)
    end
    risky_parts(block, first, command, action.parts or {})
    if #(action.parts or {}) > 1 then
      put("")
      for i, part in ipairs(action.parts) do
        local word = part_words[part.risk] or "unknown"
        put(("%d  "):format(i), { ("%-7s"):format(word), risk_groups[part.risk] or "RiskMedium" }, " ", part.text)
        if (part.reason or "") ~= "" then
          put({ (" "):rep(11) .. part.reason, "Meta" })
        end
      end
    end
  end
  for _, field in ipairs(other_fields(action, command)) do
    labelled(field[1], field[2])
  end
  if command then
    labelled("in", vim.fs.basename(where) .. "/")
  end
  if ask.why ~= "" then
    labelled("why", ask.why)
  end
  if ask.n == 1 then
    block.hints = { { #block.lines - 1, ask } }
  end
  block.fold = ask.n > 1 and "closed" or "open"
end

local makers = {}

function makers.user(block, row)
  for i, text in ipairs(words.lines(row.text)) do
    local line = block:put(text)
    if i == 1 then
      block:sign(line, look.sign("you"), "You")
    end
  end
  if #(row.context or {}) > 0 then
    local pieces = {}
    for i, word in ipairs(row.context) do
      pieces[#pieces + 1] = (i > 1 and "  " or "")
      pieces[#pieces + 1] = { word, "Chip" }
    end
    block:put(unpack(pieces))
  end
  for line = 0, #block.lines - 1 do
    block:whole(line, "YouLine")
  end
  if #(row.skills or {}) > 0 then
    block:put({ "With the skills " .. table.concat(row.skills, ", "), "Meta" })
  end
end

function makers.thinking(block, row)
  local first = words.first_line(row.text)
  local head = row.streaming and "Thinking" or row.took and "Thought for " .. row.took or "Thought"
  if vim.fn.strchars(first) > 60 then
    block:put({ ("%s · %s…"):format(head, vim.fn.strcharpart(first, 0, 59)), "Thinking" })
  else
    block:put({ head .. " · " .. first, "Thinking" })
    if first == row.text then
      return
    end
  end
  for _, text in ipairs(words.lines(row.text)) do
    block:rail(text, "Thinking")
  end
  block.fold = "closed"
end

function makers.text(block, row)
  for _, text in ipairs(words.lines(row.text)) do
    block:put(text)
  end
  if not row.streaming then
    block.markdown = row.text
  end
end

function makers.note(block, row)
  block:put({ row.text, "Meta" })
end

local step_signs = {
  running = { "running", "Running" },
  open = { "open", "Muted" },
  done = { "done", "Done" },
  failed = { "failed", "Failed" },
  rejected = { "failed", "Failed" },
}

function makers.step(block, row, where)
  if row.ask then
    return approval(block, row, where)
  end
  local verb, object = verb_and_object(row)
  local pieces = { verb, object }
  local function fact(text, group)
    pieces[#pieces + 1] = " · "
    pieces[#pieces + 1] = { text, group or "Meta" }
  end
  if row.added then
    pieces[#pieces + 1] = " · "
    pieces[#pieces + 1] = { "+" .. row.added, "Added" }
    pieces[#pieces + 1] = " "
    pieces[#pieces + 1] = { "-" .. row.removed, "Removed" }
  elseif row.summary then
    fact(row.summary, row.status == "failed" and "Failed" or "Meta")
  end
  if row.status == "rejected" then
    fact(row.reason and ('rejected: "%s"'):format(words.first_line(row.reason)) or "rejected", "Failed")
  elseif row.status == "open" then
    fact("not carried out")
  end
  block:put(unpack(pieces))
  local sign = step_signs[row.status]
  block:sign(0, look.sign(sign[1]), sign[2])
  block.spins = row.status == "running"
  if row.took then
    block:right(0, row.took)
  end

  local object_lines = words.lines(row.object or "")
  if #object_lines > 1 then
    for _, text in ipairs(object_lines) do
      block:rail(text, "Command")
    end
  end
  if row.status == "running" then
    local lines = words.lines(row.live or "")
    for i = math.max(#lines - 5, 1), #lines do
      if row.live then
        block:rail(lines[i])
      end
    end
  elseif row.status == "failed" then
    local lines = row.result and words.lines(row.result) or row.output or {}
    if #(row.output or {}) > 0 then
      rail_of(block, lines)
    end
  elseif row.status == "done" then
    local d = row.display and row.display.diff
    if d then
      local shown, all = block:diff(d, 1)
      if shown < all then
        block:below(#block.lines - 1, {
          { ("  %d of %d lines,"):format(shown, all), "AgentRpcHint" },
          unpack(shows_all),
        })
      end
    elseif words.trim(row.result or "") ~= "" then
      rail_of(block, words.lines(row.result))
    end
  end
  if #block.lines > 1 then
    block.fold = row.status == "done" and "closed" or "open"
  end
end

local plan_signs = { done = { "done", "Done" }, in_progress = { "running", "Running" }, todo = { "open", "Muted" } }

function makers.plan(block, row)
  local done = 0
  for _, item in ipairs(row.items) do
    done = done + (item.status == "done" and 1 or 0)
  end
  block:put({ "Plan", "Title" }, { (" %d of %d"):format(done, #row.items), "Meta" })
  for _, item in ipairs(row.items) do
    local line = block:put({ item.title, item.status == "done" and "Muted" or nil })
    local sign = plan_signs[item.status] or plan_signs.todo
    block:sign(line, look.sign(sign[1]), sign[2])
  end
  block.fold = "open"
end

function makers.question(block, row)
  for i, text in ipairs(words.lines(row.text)) do
    local line = block:put(text)
    block:whole(line, "AskLine")
    block:sign(line, look.sign(i == 1 and "ask" or "bar"), "Ask")
  end
  block:below(#block.lines - 1, {
    { "<CR>", "AgentRpcKey" },
    { " answer   ", "AgentRpcHint" },
    { "X", "AgentRpcKey" },
    { " decline", "AgentRpcHint" },
  })
end

function makers.queued(block, row)
  local first = words.first_line(row.text)
  block:put({ "Queued · " .. first .. (first ~= row.text and " …" or ""), "Queued" })
  block:below(0, {
    { "gs", "AgentRpcKey" },
    { " steer now   ", "AgentRpcHint" },
    { "gu", "AgentRpcKey" },
    { " take back", "AgentRpcHint" },
  })
end

local end_signs = {
  finished = { "done", "Done" },
  error = { "failed", "Failed" },
  stuck = { "warn", "Warn" },
  max_iterations = { "warn", "Warn" },
  budget = { "warn", "Warn" },
}

-- What to do now, by how the run ended.
local function remedy(row)
  local failure = row.turn and row.turn.failure or {}
  local class = failure.classification or {}
  if row.reason == "error" then
    if class.kind == "auth" then
      return ":AgentRpc key"
    elseif class.user_action == "settings" then
      return ":AgentRpc model"
    end
    return ":AgentRpc resume"
  elseif row.reason == "stuck" or row.reason == "interrupted" or row.reason == "paused" then
    return ":AgentRpc resume"
  elseif row.reason == "max_iterations" then
    return ":AgentRpc resume 100"
  elseif row.reason == "budget" then
    return ":AgentRpc budget"
  end
end

makers["end"] = function(block, row, _, last)
  local sign = end_signs[row.reason] or { "stopped", "Muted" }
  local pieces = { { row.text, sign[2] } }
  for _, fact in ipairs(row.facts or {}) do
    pieces[#pieces + 1] = { " · " .. fact, "Meta" }
  end
  block:put(unpack(pieces))
  block:sign(0, look.sign(sign[1]), sign[2])
  for i, detail in ipairs(row.details or {}) do
    if detail:find(" changed, +", 1, true) and last then
      block:put(detail, " · ", { ":AgentRpc changes", "Action" })
    elseif i <= M.output_lines then
      block:put(detail)
    end
  end
  local action = last and remedy(row)
  if action then
    block:put({ action, "Action" })
  end
end

local compact = { step = true, thinking = true }

--- The group of rows between which no empty line stands.
---@param row agent_rpc.Row
function M.group(row)
  return compact[row.kind] and not row.ask and "steps" or row.kind
end

--- Makes the block of a row. Nothing for one that is not shown.
---@param row agent_rpc.Row
---@param before string? group of the row before
---@param where string the conversation's folder
---@param last boolean? it is the last row
---@return agent_rpc.Block?
function M.make(row, before, where, last)
  if row.hidden then
    return nil
  end
  local block = setmetatable({ lines = {}, marks = {}, lead = 0 }, Block)
  makers[row.kind](block, row, where, last)
  local group = M.group(row)
  if before and (group ~= before or group ~= "steps") and not (group == "queued" and before == "queued") then
    block.lead = 1
  end
  return block
end

return M
