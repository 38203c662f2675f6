-- Measures typing beside a long conversation, and prints a line for each figure:
-- name, value, unit, aim. A Neovim with a terminal of its own is driven: a key's
-- time is from the byte that goes into the terminal until the character comes out.
--
--   nvim --clean --headless -u tests/init.lua -l tests/bench.lua FOLDER SCRIPT
--
-- HOME holds one stored conversation about FOLDER. SCRIPT is what the model of the
-- last part plays: the text of a long answer, in pieces.
local folder, script = _G.arg[1], _G.arg[2]
local times = 200

local socket = vim.fn.tempname()
local sent, want -- when a character was sent, and which
local arrived
local function output(_, data)
  if want and table.concat(data):find(want, 1, true) then
    arrived, want = vim.uv.hrtime(), nil
  end
end
local ended
local job = vim.fn.jobstart({
  vim.v.progpath,
  "--clean",
  "--listen",
  socket,
  "--cmd",
  "set runtimepath^=" .. vim.g.tests_root,
  "-c",
  "set noswapfile nottyfast",
}, {
  pty = true,
  width = 120,
  height = 40,
  cwd = folder,
  env = { TERM = "xterm-256color", NVIM = "", LLM_MODEL = "scripted/" .. script },
  on_stdout = output,
  on_exit = function()
    ended = true
  end,
})

local channel, child
local function wait(what, ready)
  if not vim.wait(120000, ready, 1) then
    io.stderr:write("it did not come to be that ", what, "\n")
    if channel then
      io.stderr:write(child("return vim.fn.execute('messages')"), "\n")
    end
    os.exit(1)
  end
end

function child(code, ...)
  return vim.rpcrequest(channel, "nvim_exec_lua", code, { ... })
end
wait("Neovim listens", function()
  local ok, id = pcall(vim.fn.sockconnect, "pipe", socket, { rpc = true })
  channel = ok and id or nil
  return ok
end)

local current = "local c = require('agent_rpc.conversation').current() "

local function report(name, value, aim)
  io.stdout:write(("%s\t%.2f\tms\t%s\n"):format(name, value, aim or 0))
end

-- Characters that nothing else on the screen has.
local function letter(i)
  return vim.fn.nr2char(0x0561 + i % 38)
end

-- Types into the current window; gives the times, sorted, in ms.
local function keys(n)
  local took = {}
  vim.fn.chansend(job, "i")
  wait("Neovim inserts", function()
    return child("return vim.fn.mode()") == "i"
  end)
  for i = 1, n do
    want = letter(i)
    sent = vim.uv.hrtime()
    vim.fn.chansend(job, want)
    wait("a character is drawn", function()
      return want == nil
    end)
    took[i] = (arrived - sent) / 1e6
    if i % 30 == 0 then
      vim.fn.chansend(job, "\21") -- CTRL-U
    end
  end
  vim.fn.chansend(job, "\21\27")
  wait("Neovim is in normal mode", function()
    return child("return vim.fn.mode()") == "n"
  end)
  table.sort(took)
  return took
end

local function part(sorted, share)
  return sorted[math.max(1, math.floor(#sorted * share))]
end

local bare = keys(times)

local begin = vim.uv.hrtime()
child([[
  vim.g.agent_rpc = { policy = "never" }
  vim.ui.select = function(items, _, done) done(items[1]) end
  vim.cmd("AgentRpc history")
]])
local shown = current
  .. "return c ~= nil and #c.fold.rows > 0 and c.cursor.seq >= c:info().cursor.seq "
  .. "and c.transcript.timer == nil and #c.transcript.shown == #c.fold.rows"
wait("all is shown", function()
  return child(shown)
end)
local opened = (vim.uv.hrtime() - begin) / 1e6

local quiet = keys(times)
child(current .. "c:send('Tell me.', 'queue')")
wait("an answer streams", function()
  return child(current .. "return c:info().status == 'running' and next(c.fold.streams) ~= nil")
end)
local busy = keys(times)
if child(current .. "return c:info().status") ~= "running" then
  io.stderr:write("the answer was too short\n")
  os.exit(1)
end

report("Neovim alone: a key until it is drawn", part(bare, 0.5))
report("Neovim with 10,000 events: until all are shown", opened, 3000)
report("  a key until it is drawn", part(quiet, 0.5), 16)
report("  19 of 20 keys, while an answer streams", part(busy, 0.95), 16)
report("  the slowest key, while an answer streams", busy[#busy], 50)

vim.rpcnotify(channel, "nvim_command", "qall!")
wait("Neovim ends", function()
  return ended
end)
os.exit(0)
