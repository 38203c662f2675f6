-- A Neovim of its own for each case, with the plugin, the real server and a model
-- that plays a script.
local M = {}

M.child = MiniTest.new_child_neovim()
local child = M.child

local base = vim.env.HOME
local case = 0

--- A set of cases that share the set-up.
function M.set()
  return MiniTest.new_set({
    hooks = {
      post_case = function()
        M.stop()
      end,
    },
  })
end

--- Ends Neovim in order, so that the server is ended too.
function M.stop()
  if child.is_running() then
    pcall(child.api_notify.nvim_command, "qall!")
    local ended = vim.fn.jobwait({ child.job.id }, 30000)[1]
    child.stop()
    MiniTest.expect.equality(ended, 0)
  end
end

---@class tests.Options
---@field script string what the model answers
---@field files table<string, string>? of the workspace
---@field options table? vim.g.agent_rpc
---@field lines integer?
---@field columns integer?
---@field same boolean? with the home and the workspace of the case before

--- Starts Neovim in a new workspace; gives its path.
---@param o tests.Options
function M.start(o)
  M.stop()
  if not o.same then
    case = case + 1
    M.home = vim.uv.fs_realpath(base) .. "/case" .. case
    M.workspace = M.home .. "/greet"
    vim.fn.mkdir(M.workspace, "p")
    for name, text in pairs(o.files or {}) do
      M.write(name, text)
    end
  end
  M.script = M.home .. "/model.script"
  vim.fn.writefile(vim.split(o.script or "", "\n", { plain = true }), M.script)
  vim.env.HOME = M.home
  vim.env.LLM_MODEL = "scripted/" .. M.script
  child.restart({ "-u", vim.g.tests_root .. "/tests/init.lua" }, { connection_timeout = 30000 })
  child.o.lines, child.o.columns = o.lines or 36, o.columns or 100
  -- What names a conversation by its id is not for a picture.
  child.o.laststatus, child.o.showtabline, child.o.ruler, child.o.statusline = 0, 0, false, " "
  child.cmd("cd " .. M.workspace)
  child.g.agent_rpc = vim.tbl_extend("force", { animate = false, layout = "tab" }, o.options or {})
  child.lua("_G.events = {}")
  child.cmd("autocmd User AgentRpc* lua _G.events[#_G.events + 1] = 1")
  return M.workspace
end

--- Lets all take no time, for pictures.
function M.stop_clock()
  child.lua([[
    local figures = require("agent_rpc.fold.figures")
    figures.elapsed = function() return "0s" end
    figures.took = function() return nil end
  ]])
end

function M.write(name, text)
  local file = assert(io.open(M.workspace .. "/" .. name, "w"))
  file:write(text)
  file:close()
end

function M.read(name)
  local file = io.open(M.workspace .. "/" .. name)
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text
end

--- Waits until an expression of Lua is true in the child.
function M.wait(expression, timeout)
  local ok = vim.wait(timeout or 30000, function()
    return child.lua_get(("(function() %s end)()"):format(expression))
  end, 10)
  if not ok then
    error(
      ("timed out waiting for: %s\n%s\nmessages: %s"):format(expression, M.screen(), child.cmd_capture("messages")),
      2
    )
  end
end

--- The screen as text.
function M.screen()
  local shot = child.get_screenshot()
  return table.concat(
    vim.tbl_map(function(row)
      return (table.concat(row):gsub("%s+$", ""))
    end, shot.text),
    "\n"
  )
end

local current = "local c = require('agent_rpc.conversation').current() "

--- Waits for a status of the conversation, with all of it on the screen.
function M.status(status)
  M.wait(
    current
      .. ("return c ~= nil and c:info().status == %q and c.transcript.timer == nil and not next(c.fold.touched)"):format(
        status
      )
  )
end

--- The lines of the transcript.
function M.transcript()
  return child.lua_get(
    ("(function() %s return vim.api.nvim_buf_get_lines(c.transcript.buf, 0, -1, false) end)()"):format(current)
  )
end

--- Waits for a line of the transcript that holds a text.
function M.see(text)
  M.wait(
    current
      .. "local lines = c and vim.api.nvim_buf_get_lines(c.transcript.buf, 0, -1, false) or {} "
      .. ("return table.concat(lines, '\\n'):find(%q, 1, true) ~= nil"):format(text)
  )
end

--- An expression of Lua about the current conversation, c.
function M.get(expression)
  return child.lua_get(("(function() %s return %s end)()"):format(current, expression))
end

--- Makes a conversation and waits until it is shown.
function M.new()
  child.cmd("AgentRpc new")
  M.wait(current .. "return c ~= nil and #vim.fn.win_findbuf(c.input) > 0")
end

--- Writes a message in the input and sends it.
function M.send(text)
  child.type_keys("i", text, "<Esc>", "<CR>")
end

--- Goes to the window of the transcript, or of the input.
function M.go(to)
  child.lua(
    current
      .. ("vim.api.nvim_set_current_win(vim.fn.win_findbuf(c.%s)[1])"):format(
        to == "input" and "input" or "transcript.buf"
      )
  )
end

--- Puts the cursor on the first line of the transcript that holds a text.
function M.on(text)
  M.go("transcript")
  for i, line in ipairs(M.transcript()) do
    if line:find(text, 1, true) then
      child.api.nvim_win_set_cursor(0, { i, 0 })
      return
    end
  end
  error("no line with: " .. text)
end

--- Waits until the screen holds a text.
function M.on_screen(text)
  local ok = vim.wait(30000, function()
    return M.screen():find(text, 1, true) ~= nil
  end, 10)
  if not ok then
    error(("not on the screen: %s\n%s"):format(text, M.screen()), 2)
  end
end

--- Compares the screen with the one that was drawn before, by this version of Neovim.
function M.expect_screen(name)
  local path = ("%s/tests/screenshots/%s/%s"):format(vim.g.tests_root, vim.env.VERSION, name)
  child.cmd("redraw!")
  MiniTest.expect.reference_screenshot(child.get_screenshot(), path, { force = vim.env.UPDATE ~= nil })
end

return M
