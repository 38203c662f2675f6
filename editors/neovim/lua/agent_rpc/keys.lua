--- The maps of our own buffers. None is made anywhere else.
local approval = require("agent_rpc.approval")

local M = {}

local function entry(conversation)
  local line = vim.api.nvim_win_get_cursor(0)[1] - 1
  return (conversation.transcript:at(line))
end

local function map(buf, mode, lhs, desc, rhs)
  vim.keymap.set(mode, lhs, rhs, { buffer = buf, nowait = true, desc = desc })
end

-- What the key does in any buffer.
local function plain(lhs)
  vim.api.nvim_feedkeys(vim.keycode(lhs), "n", false)
end

-- Moves to the next row of a kind.
local function jump(conversation, forward, fits)
  local here = vim.api.nvim_win_get_cursor(0)[1] - 1
  local best
  for _, entries in ipairs({ conversation.transcript.shown, conversation.transcript.behind }) do
    for _, item in ipairs(entries) do
      if item.block and fits(item.row) then
        local line = conversation.transcript:line_of(item.row)
        if line and forward and line > here then
          vim.api.nvim_win_set_cursor(0, { line + 1, 0 })
          return
        elseif line and not forward and line < here then
          best = line
        end
      end
    end
  end
  if best then
    vim.api.nvim_win_set_cursor(0, { best + 1, 0 })
  end
end

local function asks(row)
  return row.ask ~= nil or row.kind == "question"
end

local function is_user(row)
  return row.kind == "user"
end

-- Shows a long text in a buffer of its own.
local function show_all(title, text)
  vim.cmd("tabnew")
  local buf = vim.api.nvim_get_current_buf()
  vim.bo[buf].buftype = "nofile"
  vim.bo[buf].bufhidden = "wipe"
  vim.bo[buf].swapfile = false
  vim.api.nvim_buf_set_lines(buf, 0, -1, false, vim.split(text, "\n", { plain = true }))
  vim.bo[buf].modifiable = false
  pcall(vim.api.nvim_buf_set_name, buf, title)
end

-- What <CR> does on a row.
local function act(conversation)
  local line = vim.api.nvim_get_current_line()
  local command = line:match(":(AgentRpc [%w ]+)")
  local item = entry(conversation)
  local row = item and item.row
  if command and row and row.kind == "end" then
    return vim.cmd(vim.trim(command))
  elseif row and row.kind == "question" then
    return approval.answer(conversation, "accept")
  elseif row and row.kind == "step" then
    local d = row.ask and row.ask.action.diff or row.display and row.display.diff
    if d then
      return require("agent_rpc.changes").show_diff(d)
    elseif row.blob then
      return conversation:blob(row.blob, function(text)
        show_all("agent-rpc://" .. row.blob, text)
      end)
    elseif (row.result or "") ~= "" then
      return show_all("agent-rpc://" .. row.id, row.result)
    end
  end
  plain("<CR>")
end

--- Makes the maps of a transcript.
---@param conversation agent_rpc.Conversation
function M.transcript(conversation)
  local buf = conversation.transcript.buf
  local function in_block(lhs, desc, what)
    map(buf, "n", lhs, desc, function()
      local item = entry(conversation)
      if item and item.row.ask then
        what(item.row.ask.request)
      elseif item and item.row.kind == "question" and lhs == "X" then
        approval.answer(conversation, "decline")
      else
        plain(lhs)
      end
    end)
  end
  in_block("A", "approve what waits here", function(request)
    approval.decide(conversation, "approve", nil, request)
  end)
  in_block("X", "reject what waits here", function(request)
    approval.decide(conversation, "reject", nil, request)
  end)
  in_block("R", "reject it with a reason", function()
    approval.reject_with_reason(conversation)
  end)
  in_block("gA", "approve, and remember exactly this command", function(request)
    if approval.remembers(conversation, request) then
      approval.decide(conversation, "approve", { remember = { scope = "workspace" } }, request)
    end
  end)
  map(buf, "n", "]a", "next approval or question", function()
    jump(conversation, true, asks)
  end)
  map(buf, "n", "[a", "previous approval or question", function()
    jump(conversation, false, asks)
  end)
  map(buf, "n", "]]", "next message of yours", function()
    jump(conversation, true, is_user)
  end)
  map(buf, "n", "[[", "previous message of yours", function()
    jump(conversation, false, is_user)
  end)
  local function queued(lhs, desc, what)
    map(buf, "n", lhs, desc, function()
      local item = entry(conversation)
      if item and item.row.message then
        what(item.row.message)
      else
        plain(lhs)
      end
    end)
  end
  queued("gs", "send the queued message before the next step", function(id)
    conversation:steer_queued(id)
  end)
  queued("gu", "take the queued message back", function(id)
    conversation:take_back(id)
  end)
  map(buf, "n", "<CR>", "do what the line says, show all of a step", function()
    act(conversation)
  end)
  M.both(buf)
end

--- Makes the maps that the transcript and the input have in common.
---@param buf integer
function M.both(buf)
  map(buf, "n", "<C-c>", "stop the run", "<Cmd>AgentRpc stop<CR>")
  map(buf, "n", "gz", "pause before the next step", "<Cmd>AgentRpc pause<CR>")
  map(buf, "n", "g?", "list these maps", function()
    M.help(buf)
  end)
end

--- Lists the maps of a buffer.
---@param buf integer
function M.help(buf)
  local lines = {}
  for _, mode in ipairs({ "n", "i" }) do
    for _, item in ipairs(vim.api.nvim_buf_get_keymap(buf, mode)) do
      if item.desc then
        lines[#lines + 1] = ("%s  %-6s %s"):format(mode, item.lhs, item.desc)
      end
    end
  end
  table.sort(lines)
  vim.list_extend(lines, { "", "Folds are Neovim's: za zo zc zR zM.   :help agent_rpc" })
  vim.api.nvim_echo({ { table.concat(lines, "\n") } }, false, {})
end

return M
