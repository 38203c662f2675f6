--- The transcript: rows of a fold in a buffer that the user can only read. Each
--- row owns a range of lines, and a row that changes rewrites only that; what
--- comes in quick succession is written at once.
local block = require("agent_rpc.block")
local config = require("agent_rpc.config")
local look = require("agent_rpc.look")
local markdown = require("agent_rpc.markdown")
local words = require("agent_rpc.fold.words")

local ns = vim.api.nvim_create_namespace("agent_rpc")
local ns_spin = vim.api.nvim_create_namespace("agent_rpc.spin")
local ns_hint = vim.api.nvim_create_namespace("agent_rpc.hint")

--- How long changes are collected, in ms, and how many rows are written at once.
local pause, batch = 80, 500
--- An approval takes no keys in the first half second.
local arming = 500

---@class agent_rpc.Shown
---@field n integer lines, with the empty one before
---@field row agent_rpc.Row
---@field block agent_rpc.Block?
---@field closed boolean? how its fold was left by us
---@field chosen boolean? the user has opened or closed it
---@field lit boolean? its markdown is highlighted

---@class agent_rpc.Transcript
---@field buf integer
---@field fold agent_rpc.Fold
---@field shown agent_rpc.Shown[] the lasting rows that are written
---@field behind agent_rpc.Shown[] those at the tail
---@field sums integer[] a binary indexed tree over the lines of shown
local Transcript = {}
Transcript.__index = Transcript

---@param fold agent_rpc.Fold
---@param name string of the buffer
---@return agent_rpc.Transcript
function Transcript.new(fold, name)
  look.setup()
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buf, name)
  vim.bo[buf].bufhidden = "hide"
  vim.bo[buf].swapfile = false
  vim.bo[buf].undolevels = -1
  vim.bo[buf].modifiable = false
  local self = setmetatable({ buf = buf, fold = fold, seen = {} }, Transcript)
  self:forget()
  vim.api.nvim_create_autocmd({ "BufWinEnter" }, {
    buffer = buf,
    callback = function()
      self:enter(vim.api.nvim_get_current_win())
    end,
  })
  vim.api.nvim_create_autocmd({ "WinScrolled" }, {
    callback = function()
      if not vim.api.nvim_buf_is_valid(buf) then
        return true
      end
      self:light()
    end,
  })
  vim.bo[buf].filetype = "agent_rpc"
  return self
end

function Transcript:forget()
  self.shown, self.behind, self.sums = {}, {}, {}
  if vim.api.nvim_buf_is_valid(self.buf) then
    self:write(0, -1, {})
  end
end

-- Lines before the row at an index, and the index at a line: a binary indexed
-- tree, so that both take the same time in a long conversation.
function Transcript:add(i, n)
  local size = #self.shown
  while i <= size do
    self.sums[i] = (self.sums[i] or 0) + n
    i = i + bit.band(i, -i)
  end
end

function Transcript:push(entry)
  local i = #self.shown + 1
  self.shown[i] = entry
  local sum, low = entry.n, i - bit.band(i, -i)
  local j = i - 1
  while j > low do
    sum = sum + self.sums[j]
    j = j - bit.band(j, -j)
  end
  self.sums[i] = sum
end

--- Lines of the first i lasting rows.
function Transcript:lines_to(i)
  local sum = 0
  while i > 0 do
    sum = sum + self.sums[i]
    i = i - bit.band(i, -i)
  end
  return sum
end

--- The entry whose lines hold a line, counted from 0, and the line it begins at.
---@param line integer
---@return agent_rpc.Shown?, integer
function Transcript:at(line)
  local size, pos, before = #self.shown, 0, 0
  local step = 1
  while step * 2 <= size do
    step = step * 2
  end
  while step > 0 do
    if pos + step <= size and before + self.sums[pos + step] <= line then
      pos = pos + step
      before = before + self.sums[pos]
    end
    step = math.floor(step / 2)
  end
  if pos < size then
    return self.shown[pos + 1], before
  end
  for _, entry in ipairs(self.behind) do
    if line < before + entry.n then
      return entry, before
    end
    before = before + entry.n
  end
  return nil, before
end

--- The line, counted from 0, where the text of a row begins; nil where it is not shown.
---@param row agent_rpc.Row
function Transcript:line_of(row)
  local entry = row.index and self.shown[row.index]
  if entry then
    return entry.block and self:lines_to(row.index - 1) + entry.block.lead
  end
  local line = self:lines_to(#self.shown)
  for _, behind in ipairs(self.behind) do
    if behind.row.id == row.id then
      return line + behind.block.lead
    end
    line = line + behind.n
  end
end

--- Replaces lines, touching only those that differ.
function Transcript:write(from, to, lines)
  local old = vim.api.nvim_buf_get_lines(self.buf, from, to, false)
  local head = 0
  while head < #old and head < #lines and old[head + 1] == lines[head + 1] do
    head = head + 1
  end
  local tail = 0
  while tail < #old - head and tail < #lines - head and old[#old - tail] == lines[#lines - tail] do
    tail = tail + 1
  end
  if head == #old and head == #lines then
    return
  end
  vim.bo[self.buf].modifiable = true
  vim.api.nvim_buf_set_lines(
    self.buf,
    from + head,
    from + #old - tail,
    false,
    vim.list_slice(lines, head + 1, #lines - tail)
  )
  vim.bo[self.buf].modifiable = false
  vim.bo[self.buf].modified = false
end

function Transcript:mark(entry, from)
  local made = entry.block
  if not made then
    return
  end
  for _, mark in ipairs(made.marks) do
    vim.api.nvim_buf_set_extmark(self.buf, ns, from + made.lead + mark[1], mark[2], mark[3])
  end
  if entry.lit then
    markdown.light(self.buf, from + made.lead, made.markdown)
  end
end

local function lines_of(made)
  if not made then
    return {}
  end
  local lines = {}
  for _ = 1, made.lead do
    lines[#lines + 1] = ""
  end
  return vim.list_extend(lines, made.lines)
end

-- The group of the nearest row before a lasting one that is shown.
function Transcript:group_before(i)
  for j = i - 1, 1, -1 do
    local entry = self.shown[j]
    if entry.block then
      return block.group(entry.row)
    end
  end
end

function Transcript:entry(row, before, last)
  local made = block.make(row, before, self.fold.workspace, last)
  return { row = row, block = made, n = made and #made.lines + made.lead or 0, id = row.id }
end

function Transcript:windows()
  return vim.fn.win_findbuf(self.buf)
end

-- Rewrites a lasting row in place.
function Transcript:rewrite(i)
  local old = self.shown[i]
  local from = self:lines_to(i - 1)
  local entry = self:entry(old.row, self:group_before(i), i == #self.fold.rows)
  entry.chosen, entry.closed = old.chosen, old.closed
  entry.lit = old.lit and entry.block and entry.block.markdown ~= nil
  self:notice_choice(entry, old, from)
  vim.api.nvim_buf_clear_namespace(self.buf, ns, from, from + old.n)
  self:unfold(old, from)
  self:write(from, from + old.n, lines_of(entry.block))
  self.shown[i] = entry
  self:add(i, entry.n - old.n)
  self:mark(entry, from)
  self:refold({ entry }, { from })
end

-- Folds are manual, made once for each card; the user's own choice wins from then on.

local function in_window(win, act)
  vim.api.nvim_win_call(win, function()
    local view = vim.fn.winsaveview()
    act()
    vim.fn.winrestview(view)
  end)
end

function Transcript:notice_choice(entry, old, from)
  if not old.block or not old.block.fold or old.closed == nil then
    return
  end
  local win = self:windows()[1]
  if win then
    vim.api.nvim_win_call(win, function()
      local line = from + old.block.lead + 1
      if vim.fn.foldlevel(line) > 0 then
        local closed = vim.fn.foldclosed(line) ~= -1
        if closed ~= old.closed then
          entry.chosen, entry.closed = true, closed
        end
      end
    end)
  end
end

function Transcript:unfold(entry, from)
  if not entry.block or not entry.block.fold then
    return
  end
  local line = from + entry.block.lead + 1
  for _, win in ipairs(self:windows()) do
    in_window(win, function()
      if vim.fn.foldlevel(line) > 0 then
        vim.cmd(("silent! keepjumps normal! %dGzD"):format(line))
      end
    end)
  end
end

-- Folds entries that begin at lines, in all windows or in one.
function Transcript:refold(entries, lines, only)
  local folds = {}
  for i, entry in ipairs(entries) do
    local made = entry.block
    if made and made.fold and #made.lines > 1 then
      if not entry.chosen then
        entry.closed = made.fold == "closed"
      end
      folds[#folds + 1] = { lines[i] + made.lead + 1, #made.lines, entry.closed }
    end
  end
  for _, win in ipairs(#folds > 0 and (only and { only } or self:windows()) or {}) do
    in_window(win, function()
      for _, fold in ipairs(folds) do
        vim.cmd(("%d,%dfold"):format(fold[1], fold[1] + fold[2] - 1))
        if not fold[3] then
          vim.cmd(("%dfoldopen"):format(fold[1]))
        end
      end
    end)
  end
end

--- Sets a window up that shows the transcript.
function Transcript:enter(win)
  local function set(name, value)
    vim.api.nvim_set_option_value(name, value, { scope = "local", win = win })
  end
  for name, value in pairs({
    foldmethod = "manual",
    foldtext = "",
    foldcolumn = "1",
    foldenable = true,
    signcolumn = "yes:1",
    number = false,
    relativenumber = false,
    wrap = true,
    linebreak = true,
    breakindent = true,
    spell = false,
    list = false,
    cursorline = false,
    colorcolumn = "",
    conceallevel = 0,
    statuscolumn = "",
    winhighlight = "Folded:Normal",
    fillchars = "fold: ,eob: ,foldsep: ,"
      .. (look.plain() and "foldopen:v,foldclose:>" or "foldopen:▾,foldclose:▸"),
  }) do
    set(name, value)
  end
  in_window(win, function()
    vim.cmd("silent! normal! zE")
  end)
  local from = 0
  for _, entries in ipairs({ self.shown, self.behind }) do
    local lines = {}
    for i, entry in ipairs(entries) do
      lines[i] = from
      from = from + entry.n
    end
    self:refold(entries, lines, win)
  end
  self:light()
end

-- Highlights the markdown of what is in sight, each block once.
function Transcript:light()
  if not vim.api.nvim_buf_is_valid(self.buf) then
    return
  end
  for _, win in ipairs(self:windows()) do
    local first, last = vim.fn.line("w0", win) - 1, vim.fn.line("w$", win) - 1
    local line = first
    while line <= last do
      local entry, from = self:at(line)
      if not entry then
        break
      end
      if entry.block and entry.block.markdown and not entry.lit then
        entry.lit = true
        markdown.light(self.buf, from + entry.block.lead, entry.block.markdown)
      end
      line = from + math.max(entry.n, 1)
    end
  end
end

--- Tells that something has changed; it is written soon.
---@param now boolean? as soon as keys have been seen to
function Transcript:soon(now)
  if self.timer then
    return
  end
  self.timer = vim.defer_fn(function()
    self.timer = nil
    self:flush()
  end, self.written and not now and pause or 0)
end

--- Writes what has changed.
function Transcript:flush()
  if not vim.api.nvim_buf_is_valid(self.buf) then
    return
  end
  self.written = true
  local bottom = {}
  for _, win in ipairs(self:windows()) do
    bottom[win] = vim.api.nvim_win_get_cursor(win)[1] >= vim.api.nvim_buf_line_count(self.buf)
  end

  local rows = self.fold.rows
  local changed = {}
  for row in pairs(self.fold:take()) do
    if row.index <= #self.shown then
      changed[row.index] = true
      if (self.shown[row.index].block == nil) ~= (row.hidden or false) and self.shown[row.index + 1] then
        changed[row.index + 1] = true -- the empty line before it may come or go
      end
    end
  end
  local order = vim.tbl_keys(changed)
  table.sort(order)
  for _, i in ipairs(order) do
    self:rewrite(i)
  end

  local start = self:lines_to(#self.shown)
  local from = start
  for _, entry in ipairs(self.behind) do
    self:unfold(entry, from)
    from = from + entry.n
  end
  vim.api.nvim_buf_clear_namespace(self.buf, ns, start, -1)
  local lines, fresh = {}, {}
  local group = self:group_before(#self.shown + 1)
  local function add(entry)
    vim.list_extend(lines, lines_of(entry.block))
    group = entry.block and block.group(entry.row) or group
    fresh[#fresh + 1] = entry
  end
  local upto = math.min(#rows, #self.shown + batch)
  for i = #self.shown + 1, upto do
    local entry = self:entry(rows[i], group, i == #rows)
    add(entry)
    self:push(entry)
  end
  local before = self.behind
  self.behind = {}
  if upto == #rows then
    for _, row in ipairs(self.fold:tail()) do
      local entry = self:entry(row, group, true)
      for _, old in ipairs(before) do
        if old.row.id == row.id then
          entry.chosen, entry.closed = old.chosen, old.closed
        end
      end
      add(entry)
      self.behind[#self.behind + 1] = entry
    end
  else
    self:soon(true)
  end
  self:write(start, -1, #lines == 0 and start == 0 and { "" } or lines)
  from = start
  local begins = {}
  for i, entry in ipairs(fresh) do
    self:mark(entry, from)
    begins[i] = from
    from = from + entry.n
  end
  self:refold(fresh, begins)

  for win, was in pairs(bottom) do
    if was and vim.api.nvim_win_is_valid(win) then
      self:to_end(win)
    end
  end
  self:light()
  self:hint()
  self:spin()
end

--- Puts a window's cursor on the last line and shows it, with the keys below it.
function Transcript:to_end(win)
  local last = vim.api.nvim_buf_line_count(self.buf)
  vim.api.nvim_win_set_cursor(win, { last, 0 })
  vim.api.nvim_win_call(win, function()
    vim.cmd("normal! zb")
    local shown = vim.api.nvim_win_text_height(win, { start_row = vim.fn.line("w0") - 1 }).all
    if shown > vim.fn.getwininfo(win)[1].height then -- Neovim leaves virtual lines below the last one out
      vim.cmd("normal! " .. vim.keycode("<C-e>"))
    end
  end)
end

--- The rows that wait for an approval, the first of a request first.
---@return agent_rpc.Row[]
function Transcript:asking()
  local out = {}
  for _, row in pairs(self.fold.calls) do
    if row.ask then
      out[#out + 1] = row
    end
  end
  table.sort(out, function(a, b)
    return a.index < b.index
  end)
  return out
end

--- Tells whether an approval takes keys yet: it was on the screen for half a second.
---@param request string
function Transcript:armed(request)
  local at = self.seen[request]
  return at ~= nil and vim.uv.now() - at >= arming
end

-- What a conversation without a message shows: where it is, and what to do.
function Transcript:welcome()
  local info = self.fold.info
  local lines = {
    {},
    {
      { "In ", "AgentRpcHint" },
      { vim.fn.fnamemodify(self.fold.workspace, ":~"), "AgentRpcObject" },
      { " · " .. words.policy(info.confirmationPolicy), "AgentRpcHint" },
    },
    {},
    { { "Write below and press ", "AgentRpcHint" }, { "<CR>", "AgentRpcKey" }, { ".", "AgentRpcHint" } },
    { { "g?", "AgentRpcKey" }, { " lists the keys, ", "AgentRpcHint" }, { ":AgentRpc history", "AgentRpcKey" } },
    { { "goes on with an earlier conversation.", "AgentRpcHint" } },
  }
  if info.model == "" then
    vim.list_extend(lines, {
      {},
      { { "No model is named yet", "AgentRpcWarn" } },
      { { ":AgentRpc model PROVIDER/NAME", "AgentRpcKey" }, { ", and its key:", "AgentRpcHint" } },
      { { ":AgentRpc key PROVIDER", "AgentRpcKey" }, { ", or in the environment.", "AgentRpcHint" } },
    })
  end
  vim.api.nvim_buf_set_extmark(self.buf, ns_hint, 0, 0, { virt_lines = lines })
end

-- The keys of an approval, shown once they work.
function Transcript:hint()
  vim.api.nvim_buf_clear_namespace(self.buf, ns_hint, 0, -1)
  if #self.fold.rows == 0 and #self.behind == 0 then
    self:welcome()
  end
  for _, row in ipairs(self:asking()) do
    local entry = self.shown[row.index]
    if entry and entry.block and entry.block.hints then
      local request = row.ask.request
      if not self.seen[request] then
        self.seen[request] = vim.uv.now()
      end
      if not self:armed(request) then
        vim.defer_fn(function()
          if vim.api.nvim_buf_is_valid(self.buf) then
            self:hint()
          end
        end, arming - (vim.uv.now() - self.seen[request]) + 5)
      else
        local all = row.ask.of > 1 and " all " .. row.ask.of or ""
        local line = self:lines_to(row.index - 1) + entry.block.lead + entry.block.hints[1][1]
        local chunks = {}
        local function key(name, what)
          chunks[#chunks + 1] = { name, "AgentRpcKey" }
          chunks[#chunks + 1] = { " " .. what .. "   ", "AgentRpcHint" }
        end
        key("A", "approve" .. all)
        key("X", "reject" .. all)
        key("R", "reject with reason")
        if self.remembers and self.remembers(request) then
          key("gA", row.ask.of > 1 and "remember these commands" or "remember this command")
        end
        if row.ask.of > 1 then
          key("]a", "next")
        end
        vim.api.nvim_buf_set_extmark(self.buf, ns_hint, line, 0, { virt_lines = { chunks } })
        local last = vim.api.nvim_buf_line_count(self.buf)
        for _, win in ipairs(line == last - 1 and self:windows() or {}) do
          if vim.api.nvim_win_get_cursor(win)[1] == last then
            self:to_end(win)
          end
        end
      end
    end
  end
end

-- The spinner and the clock of what runs: eight times a second, and only while
-- something runs that is in sight.
function Transcript:spin()
  local running = {}
  for _, row in pairs(self.fold.calls) do
    if row.status == "running" and not row.hidden and row.index <= #self.shown then
      running[#running + 1] = row
      row.begun = row.begun or vim.uv.now()
    end
  end
  vim.api.nvim_buf_clear_namespace(self.buf, ns_spin, 0, -1)
  if #running == 0 or #self:windows() == 0 or not config.get().animate then
    if self.clock then
      self.clock:stop()
      self.clock:close()
      self.clock = nil
    end
    return
  end
  self.tick = (self.tick or 0) + 1
  for _, row in ipairs(running) do
    local line = self:line_of(row)
    if line then
      local took = math.floor((vim.uv.now() - row.begun) / 1000)
      vim.api.nvim_buf_set_extmark(self.buf, ns_spin, line, 0, {
        sign_text = look.spin(self.tick),
        sign_hl_group = "AgentRpcRunning",
        priority = 5000,
        virt_text = took > 0 and { { took .. "s", "AgentRpcHint" } } or nil,
        virt_text_pos = "right_align",
      })
    end
  end
  if not self.clock then
    self.clock = assert(vim.uv.new_timer())
    self.clock:start(
      125,
      125,
      vim.schedule_wrap(function()
        if not vim.api.nvim_buf_is_valid(self.buf) then
          if self.clock then
            self.clock:close()
            self.clock = nil
          end
        elseif self.clock then
          self:spin()
        end
      end)
    )
  end
end

return Transcript
