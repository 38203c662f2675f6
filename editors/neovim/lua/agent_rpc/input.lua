--- The input: a buffer to write a message in, with the bar that shows what goes
--- along, and completion of @files and /skills.
local client = require("agent_rpc.client")
local context = require("agent_rpc.context")

local M = {}

local ns = vim.api.nvim_create_namespace("agent_rpc.input")

local completeopt ---@type string? what the user has set, while a menu of ours is open

local function restore_completeopt()
  if completeopt then
    vim.o.completeopt, completeopt = completeopt, nil
  end
end

-- The keys that open the menu of a character. Nothing is inserted until the user
-- picks it.
local function menu(lhs)
  -- At the start of a word alone: a path or a mail address is left in peace.
  local before = vim.api.nvim_get_current_line():sub(1, vim.api.nvim_win_get_cursor(0)[2])
  local opens = before == "" or (lhs == "@" and before:match("%s$") ~= nil)
  if not opens or vim.fn.pumvisible() == 1 then
    return lhs
  end
  completeopt = completeopt or vim.o.completeopt
  vim.o.completeopt = "menuone,noselect"
  return lhs .. "<C-x><C-o>"
end

---@param conversation agent_rpc.Conversation
---@return integer buf
function M.new(conversation)
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buf, ("agent-rpc://%s/input"):format(conversation.id:sub(1, 8)))
  vim.bo[buf].bufhidden = "hide"
  vim.bo[buf].swapfile = false
  vim.bo[buf].buftype = "nofile"
  vim.bo[buf].omnifunc = "v:lua.require'agent_rpc.input'.omnifunc"
  vim.bo[buf].filetype = "agent_rpc_input"
  local function map(mode, lhs, desc, rhs)
    vim.keymap.set(mode, lhs, rhs, { buffer = buf, nowait = true, desc = desc })
  end
  map("n", "<CR>", "send; while a run goes on: at its end", function()
    M.send(conversation, "queue")
  end)
  map({ "n", "i" }, "<C-s>", "send; while a run goes on: before its next step", function()
    M.send(conversation, "steer")
  end)
  for _, lhs in ipairs({ "@", "/" }) do
    vim.keymap.set("i", lhs, function()
      return menu(lhs)
    end, { buffer = buf, expr = true, desc = lhs == "@" and "complete a file" or "complete a skill" })
  end
  require("agent_rpc.keys").both(buf)
  vim.api.nvim_create_autocmd({ "TextChanged", "TextChangedI", "BufEnter" }, {
    buffer = buf,
    callback = function()
      M.hint(conversation)
    end,
  })
  vim.api.nvim_create_autocmd({ "CompleteDone", "InsertLeave", "BufLeave" }, {
    buffer = buf,
    callback = restore_completeopt,
  })
  vim.api.nvim_create_autocmd("InsertEnter", {
    buffer = buf,
    once = true,
    callback = function()
      M.load_skills(conversation)
    end,
  })
  return buf
end

local function text_of(buf)
  return vim.trim(table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, false), "\n"))
end

--- Sends what is written, with its context. What could not be sent stays.
---@param conversation agent_rpc.Conversation
---@param how "queue"|"steer"
function M.send(conversation, how)
  local buf = conversation.input
  local text = text_of(buf)
  if text == "" then
    return
  end
  local lines = vim.api.nvim_buf_get_lines(buf, 0, -1, false)
  local message = context.message(conversation, text)
  vim.api.nvim_buf_set_lines(buf, 0, -1, false, {})
  conversation:send(message, how, function(err)
    if err and vim.api.nvim_buf_is_valid(buf) and text_of(buf) == "" then
      vim.api.nvim_buf_set_lines(buf, 0, -1, false, lines)
    elseif not err then
      context.clear(conversation)
    end
    M.hint(conversation)
  end)
  M.hint(conversation)
end

--- Puts a message into the input again, behind what is there.
---@param conversation agent_rpc.Conversation
---@param message table Message of OpenHands
function M.restore(conversation, message)
  local buf = conversation.input
  local text = (message.content[1] or {}).text or ""
  local lines = vim.split(text, "\n", { plain = true })
  local empty = text_of(buf) == ""
  vim.api.nvim_buf_set_lines(buf, empty and 0 or -1, -1, false, lines)
  M.hint(conversation)
end

--- Writes the bar below the text: what goes along, and what the keys do now.
---@param conversation agent_rpc.Conversation
function M.hint(conversation)
  local buf = conversation.input
  if not buf or not vim.api.nvim_buf_is_valid(buf) then
    return
  end
  vim.api.nvim_buf_clear_namespace(buf, ns, 0, -1)
  local last = vim.api.nvim_buf_line_count(buf) - 1
  local below = {}
  local names = context.names(conversation)
  if #names > 0 then
    local chunks = { { "sent along: ", "AgentRpcHint" } }
    for i, name in ipairs(names) do
      chunks[#chunks + 1] = { (i > 1 and " · " or "") .. name, "AgentRpcChip" }
    end
    below[#below + 1] = chunks
  end
  local win = vim.fn.win_findbuf(buf)[1]
  local narrow = win and vim.api.nvim_win_get_width(win) < 70
  local enter, steer = "send", "also while inserting"
  if conversation:busy() then
    enter, steer = narrow and "queue" or "queue for the end of the run", narrow and "steer" or "steer at the next step"
  end
  local keys = {
    { "<CR>", "AgentRpcKey" },
    { " " .. enter .. " · ", "AgentRpcHint" },
    { "<C-s>", "AgentRpcKey" },
    { " " .. steer, "AgentRpcHint" },
  }
  below[#below + 1] = keys
  vim.api.nvim_buf_set_extmark(buf, ns, last, 0, { virt_lines = below })
  if text_of(buf) == "" then
    local what = conversation:busy() and "Queue a message" or "Ask the agent; @file, /skill"
    vim.api.nvim_buf_set_extmark(buf, ns, 0, 0, { virt_text = { { what, "AgentRpcHint" } }, virt_text_pos = "overlay" })
  end
end

--- Asks the server for the skills of the folder, for completion.
---@param conversation agent_rpc.Conversation
---@param done? fun()
function M.load_skills(conversation, done)
  client.request("agent/skills", { workspace = vim.uri_from_fname(conversation.folder) }, function(err, result)
    if not err then
      conversation.skills = result.skills
    end
    if done then
      done()
    end
  end)
end

local function files(folder, lead)
  local out = {}
  local listed
  if vim.fn.executable("git") == 1 and (vim.uv.fs_stat(folder .. "/.git") or vim.fs.root(folder, ".git")) then
    local cmd = { "git", "-C", folder, "ls-files", "--cached", "--others", "--exclude-standard" }
    local result = vim.system(cmd, { text = true, timeout = 2000 }):wait()
    listed = result.code == 0 and vim.split(result.stdout, "\n", { trimempty = true }) or nil
  end
  if not listed then
    listed = {}
    for name, kind in vim.fs.dir(folder, { depth = 4 }) do
      if kind == "file" and not name:find("^%.") and not name:find("/%.") then
        listed[#listed + 1] = name
      end
      if #listed > 5000 then
        break
      end
    end
  end
  table.sort(listed)
  local folded = lead:lower()
  for _, name in ipairs(listed) do
    if name:lower():find(folded, 1, true) then
      out[#out + 1] = { word = "@" .. name, abbr = name, menu = "file" }
      if #out >= 200 then
        break
      end
    end
  end
  return out
end

--- 'omnifunc' of the input.
---@param findstart integer
---@param base string
function M.omnifunc(findstart, base)
  if findstart == 1 then
    local before = vim.api.nvim_get_current_line():sub(1, vim.api.nvim_win_get_cursor(0)[2])
    local at = before:find("@[^%s@]*$") or before:find("^/[^%s]*$")
    return at and at - 1 or -3
  end
  local conversation = require("agent_rpc.conversation").of(vim.api.nvim_get_current_buf())
  if not conversation then
    return {}
  elseif base:sub(1, 1) == "@" then
    return files(conversation.folder, base:sub(2))
  end
  local out = {}
  for _, skill in ipairs(conversation.skills or {}) do
    if vim.startswith(skill.command, base) then
      out[#out + 1] = { word = skill.command, menu = (skill.description or ""):match("^[^\n]*") }
    end
  end
  return out
end

return M
