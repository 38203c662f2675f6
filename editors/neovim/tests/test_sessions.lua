-- Crashes, several conversations, and going on another day.
local h = require("helpers")
local child = h.child
local eq = MiniTest.expect.equality

local T = h.set()

local current = "local c = require('agent_rpc.conversation').current() "

local function server()
  return child.lua([[
    for _, process in ipairs(vim.api.nvim_get_proc_children(vim.fn.getpid())) do
      local info = vim.api.nvim_get_proc(process)
      if info and info.name:find("agent") then
        return process
      end
    end
  ]])
end

local function kill()
  local pid = server()
  MiniTest.expect.no_equality(pid, nil)
  vim.uv.kill(pid, "sigkill")
  h.wait(("local p = vim.api.nvim_get_proc(%d) return p == nil"):format(pid))
end

-- Picks the item at an index of the next picker.
local function pick(index)
  child.lua(
    "local index = ... vim.ui.select = function(items, o, done) _G.items = vim.tbl_map(o.format_item or tostring, items) done(items[index]) end",
    { index }
  )
end

T["a killed server comes back, and the conversation goes on"] = function()
  h.start({ script = [[{"text": "One."} {"text": "Two."}]] })
  h.new()
  h.send("first")
  h.status("finished")
  local before = h.transcript()
  kill()
  h.wait(current .. "return c.server_gone == nil and require('agent_rpc.client').running() and not c.reopening")
  h.send("second")
  h.see("Two.")
  h.status("finished")
  eq(vim.list_slice(h.transcript(), 1, #before - 1), vim.list_slice(before, 1, #before - 1))
end

T["a server that is killed in a run says so, and nothing is run twice"] = function()
  h.start({
    script = [[{"text": "Working.", "calls": [{"terminal": {"command": "echo x >> count; until [ -e go ]; do sleep 0.05; done", "security_risk": "LOW"}}]} "Done."]],
  })
  h.new()
  h.send("first")
  h.wait("return vim.fn.filereadable('count') == 1")
  kill()
  h.status("error")
  h.see("The process ended while the run was going on.")
  child.cmd("AgentRpc resume")
  h.status("finished")
  eq(h.read("count"), "x\n")
end

T["a server that always dies is not started for ever"] = function()
  h.start({ script = [[{"text": "One."}]] })
  h.new()
  h.send("first")
  h.status("finished")
  for _ = 1, 5 do
    kill()
    h.wait(current .. "return c.server_gone == nil and require('agent_rpc.client').running() and not c.reopening")
  end
  kill()
  h.wait("return vim.fn.execute('messages'):find(':AgentRpc restart', 1, true) ~= nil")
  h.on_screen("the server stopped")
  child.cmd("AgentRpc restart")
  h.wait(current .. "return c.server_gone == nil and require('agent_rpc.client').running()")
end

T["the server ends with Neovim"] = function()
  h.start({ script = [[{"text": "Working.", "wait": "forever"}]] })
  h.new()
  h.send("first")
  h.see("Working.")
  local pid = server()
  h.stop()
  local gone = vim.wait(30000, function()
    return vim.uv.kill(pid, 0) ~= 0
  end, 10)
  eq(gone, true)
end

T["a conversation goes on after Neovim has ended"] = function()
  h.start({ script = [[{"text": "One."} {"text": "Two."}]] })
  h.new()
  h.send("first")
  h.status("finished")
  local before = h.transcript()
  h.stop()
  h.start({ same = true, script = [[{"text": "One."} {"text": "Two."}]] })
  pick(1)
  child.cmd("AgentRpc history")
  h.status("finished")
  eq(h.transcript(), before)
  h.send("second")
  h.see("Two.")
end

T["history finds by title, and says what state they are in"] = function()
  h.start({ script = [[{"text": "One."} {"text": "Two."}]] })
  h.new()
  h.send("first")
  h.status("finished")
  child.cmd("AgentRpc rename A good name")
  h.wait(current .. "return c:title() == 'A good name'")
  h.new()
  h.wait("return #require('agent_rpc.conversation').list() == 2")
  pick(1)
  child.cmd("AgentRpc history good")
  h.wait("return _G.items ~= nil")
  local items = child.lua_get("_G.items")
  eq(#items, 1)
  eq(items[1], "A good name · finished · now · greet")
  child.cmd("AgentRpc history nothing like it")
  h.wait("return vim.fn.execute('messages'):find('no conversations like that', 1, true) ~= nil")
end

T["two conversations are apart, and switch goes between them"] = function()
  h.start({ script = [[{"when": "left", "text": "Left."} {"when": "right", "text": "Right."}]] })
  h.new()
  h.send("left")
  h.see("Left.")
  h.status("finished")
  local left = h.get("c.id")
  child.cmd("AgentRpc new")
  h.wait(("return require('agent_rpc.conversation').current().id ~= %q"):format(left))
  h.wait(current .. "return #vim.fn.win_findbuf(c.input) > 0")
  h.send("right")
  h.see("Right.")
  h.status("finished")
  eq(table.concat(h.transcript(), "\n"):find("Left.", 1, true), nil)
  child.lua(
    "local id = ... vim.ui.select = function(items, _, done) for _, c in ipairs(items) do if c.id == id then done(c) end end end",
    { left }
  )
  child.cmd("AgentRpc switch")
  h.see("Left.")
end

T["two windows on one conversation show the same"] = function()
  h.start({ script = [[{"text": "One.", "reasoning": "a\nb\nc"} {"text": "Two."}]], columns = 160 })
  h.new()
  h.send("first")
  h.status("finished")
  h.go("transcript")
  child.cmd("vsplit")
  h.go("input")
  h.send("second")
  h.see("Two.")
  h.status("finished")
  local lines = child.lua_get([[(function()
    local c = require('agent_rpc.conversation').current()
    return vim.tbl_map(function(win)
      return { vim.fn.line('$', win), vim.fn.line('w$', win), vim.api.nvim_win_call(win, function() return vim.fn.foldclosed(3) end) }
    end, vim.fn.win_findbuf(c.transcript.buf))
  end)()]])
  eq(#lines, 2)
  eq(lines[1], lines[2])
end

T["a conversation that another Neovim holds can't be written to, and that is said"] = function()
  h.start({ script = [[{"text": "One."}]] })
  h.new()
  h.send("first")
  h.status("finished")
  local other = MiniTest.new_child_neovim()
  other.start({ "-u", vim.g.tests_root .. "/tests/init.lua" }, { connection_timeout = 30000 })
  other.cmd("cd " .. h.workspace)
  other.lua("vim.ui.select = function(items, o, done) _G.items = vim.tbl_map(o.format_item, items) done(items[1]) end")
  other.cmd("AgentRpc history")
  local told = vim.wait(30000, function()
    return other.cmd_capture("messages"):find("process", 1, true) ~= nil
  end, 10)
  local items, messages = other.lua_get("_G.items"), other.cmd_capture("messages")
  pcall(other.api_notify.nvim_command, "qall!")
  vim.fn.jobwait({ other.job.id }, 30000)
  other.stop()
  eq({ told, messages }, { true, messages })
  MiniTest.expect.no_equality(items[1]:find("open in process", 1, true), nil)
end

T["events that were left out are fetched, and stand where they belong"] = function()
  local script = [[
    {"text": "Zero."}
    {"text": "One.", "calls": [{"terminal": {"command": "true", "security_risk": "LOW"}}]}
    {"text": "Two.", "calls": [{"terminal": {"command": "true", "security_risk": "LOW"}}]}
    {"text": "Three."}
  ]]
  h.start({ script = script })
  h.new()
  h.send("first")
  h.status("finished")
  -- Of the events that follow, the first five are lost but for the notice.
  child.lua([[
    local client = require("agent_rpc.client")
    local take, lost = client.on_notification, {}
    client.on_notification = function(method, params)
      if method == "conversation/event" and #lost < 5 then
        lost[#lost + 1] = params.seq
        if #lost == 5 then
          local gap = { id = params.id, epoch = params.epoch, after = lost[1] - 1, to = params.seq }
          take("conversation/gap", gap)
          client.on_notification = take
        end
        return
      end
      take(method, params)
    end
  ]])
  h.send("second")
  h.see("Three.")
  h.status("finished")
  local said = vim.tbl_filter(function(line)
    return line:find("^%u%l+%.$") ~= nil or line == "second"
  end, h.transcript())
  eq(said, { "Zero.", "second", "One.", "Two.", "Three." })
  eq(h.get("c.fold:steps()") >= 3, true)
end

T["delete asks, and removes it from the disk"] = function()
  h.start({ script = [[{"text": "One."}]] })
  h.new()
  h.send("first")
  h.status("finished")
  local folder = child.lua_get("require('agent_rpc.client').lsp().server_capabilities.experimental.agentRpc.stateDir")
    .. "/"
    .. h.get("c.id"):gsub("-", "")
  eq(vim.fn.isdirectory(folder), 1)
  pick(1)
  child.cmd("AgentRpc delete")
  eq(child.lua_get("_G.items"), { "keep", "delete" })
  eq(vim.fn.isdirectory(folder), 1)
  child.cmd("AgentRpc! delete")
  h.wait("return require('agent_rpc.conversation').current() == nil")
  eq(vim.fn.isdirectory(folder), 0)
end

T["a folder of one's own"] = function()
  h.start({ script = [[{"calls": [{"terminal": {"command": "pwd > where", "security_risk": "LOW"}}]} "Done."]] })
  vim.fn.mkdir(h.workspace .. "/inner")
  child.cmd("AgentRpc new inner")
  h.wait(current .. "return c ~= nil and #vim.fn.win_findbuf(c.input) > 0")
  h.send("where")
  h.status("finished")
  eq(h.read("inner/where"), h.workspace .. "/inner\n")
  child.cmd("AgentRpc new nowhere")
  MiniTest.expect.no_equality(child.cmd_capture("messages"):find("is not a folder", 1, true), nil)
end

return T
