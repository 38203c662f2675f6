--- Where a conversation is seen: a transcript window, an input window below it,
--- and the bar at the top of each. No window takes the focus unless it is opened
--- by the user.
local config = require("agent_rpc.config")
local figures = require("agent_rpc.fold.figures")
local look = require("agent_rpc.look")
local words = require("agent_rpc.fold.words")

local M = {}

-- The file buffer that the user was in last.
local last_file

local function visit(buf)
  if vim.bo[buf].buftype == "" and vim.api.nvim_buf_get_name(buf) ~= "" then
    last_file = buf
  end
end

visit(vim.api.nvim_get_current_buf())
vim.api.nvim_create_autocmd("BufEnter", {
  group = vim.api.nvim_create_augroup("agent_rpc.window", {}),
  callback = function(event)
    visit(event.buf)
  end,
})

--- The buffer whose file is the current one.
---@return integer
function M.file_buffer()
  local buf = vim.api.nvim_get_current_buf()
  if vim.bo[buf].buftype ~= "" and last_file and vim.api.nvim_buf_is_valid(last_file) then
    return last_file
  end
  return buf
end

--- The window of this tab page that shows a buffer.
---@param buf integer
---@return integer?
function M.of(buf)
  for _, win in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.api.nvim_win_get_buf(win) == buf then
      return win
    end
  end
end

-- A window of this tab page that shows a transcript already.
local function transcript_window()
  for _, win in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.bo[vim.api.nvim_win_get_buf(win)].filetype == "agent_rpc" then
      return win
    end
  end
end

local function input_window()
  for _, win in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.bo[vim.api.nvim_win_get_buf(win)].filetype == "agent_rpc_input" then
      return win
    end
  end
end

local function new_window()
  local options = config.get()
  local layout = options.layout
  if layout == "auto" then
    layout = vim.o.columns >= 120 and "vsplit" or "tab"
  end
  if layout == "vsplit" then
    local width = options.width < 1 and math.floor(vim.o.columns * options.width) or options.width
    vim.cmd("botright vsplit")
    vim.cmd("vertical resize " .. width)
  elseif layout == "split" then
    vim.cmd("botright split")
  elseif layout == "tab" then
    vim.cmd("tab split")
  end
  return vim.api.nvim_get_current_win()
end

local function settle(win, buf)
  vim.api.nvim_set_option_value("winfixbuf", false, { scope = "local", win = win })
  vim.api.nvim_win_set_buf(win, buf)
end

--- Shows a conversation and goes to its input.
---@param conversation agent_rpc.Conversation
function M.open(conversation)
  local there = M.of(conversation.transcript.buf)
  local win = there or transcript_window() or new_window()
  if not there then
    settle(win, conversation.transcript.buf)
  end
  local input = input_window()
  if not input then
    vim.api.nvim_set_current_win(win)
    vim.cmd("belowright split")
    input = vim.api.nvim_get_current_win()
    vim.cmd("resize " .. config.get().input_height)
  end
  settle(input, conversation.input)
  for name, value in pairs({
    number = false,
    relativenumber = false,
    signcolumn = "no",
    foldcolumn = "0",
    wrap = true,
    linebreak = true,
    winfixheight = true,
    cursorline = false,
    statuscolumn = "",
    colorcolumn = "",
    spell = false,
    list = false,
    fillchars = "eob: ",
  }) do
    vim.api.nvim_set_option_value(name, value, { scope = "local", win = input })
  end
  vim.api.nvim_set_current_win(input)
  conversation.transcript:to_end(win)
  M.refresh(conversation)
end

--- Closes the windows of a conversation in this tab page.
---@param conversation agent_rpc.Conversation
function M.close(conversation)
  for _, buf in ipairs({ conversation.input, conversation.transcript.buf }) do
    local win = M.of(buf)
    if win and not pcall(vim.api.nvim_win_close, win, false) then
      vim.api.nvim_win_set_buf(win, vim.api.nvim_create_buf(true, false))
    end
  end
end

local statuses = {
  idle = { "", "Meta", "open" },
  running = { "running", "Running", "running" },
  pausing = { "pausing", "Running", "running" },
  paused = { "paused", "Meta", "stopped" },
  waiting_for_confirmation = { "waiting for you", "Ask", "ask" },
  waiting_for_input = { "asks you", "Ask", "ask" },
  finished = { "finished", "Done", "done" },
  error = { "error", "Failed", "failed" },
  stuck = { "stuck", "Warn", "warn" },
  deleting = { "deleting", "Meta", "open" },
}

--- The status in words, its group and its sign.
---@param conversation agent_rpc.Conversation
---@return string text, string group, string sign
function M.status(conversation)
  if conversation.server_gone then
    return "the server stopped (" .. conversation.server_gone .. ")", "Failed", look.sign("failed")
  end
  local s = statuses[conversation:info().status] or statuses.idle
  local text = s[1]
  if conversation.stopping and conversation:busy() then
    text = "stopping"
  end
  return text, s[2], look.sign(s[3])
end

local function escape(text)
  return (text:gsub("%%", "%%%%"))
end

-- Cuts a text to a width, its end first.
local function cut(text, width)
  if vim.fn.strdisplaywidth(text) <= width then
    return text
  end
  while text ~= "" and vim.fn.strdisplaywidth(text) > width - 1 do
    text = vim.fn.strcharpart(text, 0, vim.fn.strchars(text) - 1)
  end
  return text .. "…"
end

local function top(conversation, width)
  local info, fold = conversation:info(), conversation.fold
  local status, group, sign = M.status(conversation)
  local narrow = width < 70
  local facts = {}
  if status ~= "" then
    facts[1] = status
  end
  if fold:steps() > 0 then
    facts[#facts + 1] = (narrow and "" or "step ") .. fold:steps()
  end
  if conversation.started and config.get().animate then
    facts[#facts + 1] = figures.elapsed(vim.uv.now() - conversation.started)
  end
  local done, of = fold:plan()
  if of > 0 and not narrow then
    facts[#facts + 1] = ("plan %d/%d"):format(done, of)
  end
  facts[#facts + 1] = figures.spent(figures.usage(info))
  local meta = table.concat(facts, " · ")
  local title = cut(conversation:title():gsub("%s+", " "), math.max(width - vim.fn.strdisplaywidth(meta) - 6, 8))
  return ("%%#AgentRpc%s# %s %%#AgentRpcTitle#%s%%=%%#AgentRpc%s# %s "):format(
    group,
    sign,
    escape(title),
    group == "Ask" and "Ask" or "Meta",
    escape(meta)
  )
end

local function bottom(conversation, width)
  local info = conversation:info()
  local usage = figures.usage(info)
  local model = info.model ~= "" and info.model:match("[^/]*$") or "no model"
  local policy = words.policy(info.confirmationPolicy)
  local facts = {
    { vim.fs.basename(conversation.folder), "Meta" },
    { model, "Meta" },
    { policy, policy == "never ask" and "Warn" or "Meta" },
  }
  if usage.context > 0 then
    local of = usage.window > 0 and width >= 70 and " of " .. figures.count(usage.window) or ""
    facts[#facts + 1] = { figures.count(usage.context) .. of, "Meta" }
  end
  local parts, plain = {}, {}
  for i, fact in ipairs(facts) do
    parts[i] = ("%%#AgentRpc%s#%s"):format(fact[2], escape(fact[1]))
    plain[i] = fact[1]
  end
  local keys = "g? help "
  if conversation:busy() then
    keys = width >= 70 and "<C-c> stop · gz pause · g? help " or "<C-c> stop "
  end
  local room = width - vim.fn.strdisplaywidth(table.concat(plain, " · ")) - 3
  if vim.fn.strdisplaywidth(keys) > room then
    keys = conversation:busy() and room >= 11 and "<C-c> stop " or ""
  end
  return "%#AgentRpcMeta# " .. table.concat(parts, "%#AgentRpcMeta# · ") .. "%=%#AgentRpcHint#" .. keys
end

--- Writes the bars of a conversation's windows anew.
---@param conversation agent_rpc.Conversation
function M.refresh(conversation)
  local function set(buf, make)
    for _, win in ipairs(vim.fn.win_findbuf(buf)) do
      local bar = make(conversation, vim.api.nvim_win_get_width(win))
      if vim.wo[win].winbar ~= bar then
        vim.api.nvim_set_option_value("winbar", bar, { scope = "local", win = win })
      end
    end
  end
  set(conversation.transcript.buf, top)
  set(conversation.input, bottom)
  require("agent_rpc.input").hint(conversation)
  M.keep_time(conversation)
  vim.cmd("redrawstatus")
end

--- While a run goes on that is in sight, its time is written once a second.
---@param conversation agent_rpc.Conversation
function M.keep_time(conversation)
  if conversation.clock or not conversation.started or not config.get().animate then
    return
  end
  conversation.clock = vim.defer_fn(function()
    conversation.clock = nil
    if conversation.started and #vim.fn.win_findbuf(conversation.transcript.buf) > 0 then
      M.refresh(conversation)
    end
  end, 1000)
end

vim.api.nvim_create_autocmd({ "WinResized" }, {
  group = vim.api.nvim_create_augroup("agent_rpc.resize", {}),
  callback = function()
    for _, conversation in ipairs(require("agent_rpc.conversation").list()) do
      M.refresh(conversation)
    end
  end,
})

return M
