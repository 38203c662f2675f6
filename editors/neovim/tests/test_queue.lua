-- Messages while a run goes on, pausing, and going back.
local h = require("helpers")
local child = h.child
local eq = MiniTest.expect.equality

local T = h.set()

-- The run goes on until the file is there.
local function hold()
  return [[
    {"text": "Working.", "calls": [{"terminal": {"command": "until [ -e go ]; do sleep 0.05; done", "security_risk": "LOW"}}]}
    {"when": "steer", "text": "Steered."}
    {"when": "later", "text": "Later it is."}
    {"text": "Done."}
  ]]
end

local function run()
  h.start({ script = hold() })
  h.new()
  h.send("Begin")
  h.see("Run until")
end

local function go_on()
  h.write("go", "")
end

local function input()
  return h.get("vim.api.nvim_buf_get_lines(c.input, 0, -1, false)")
end

T["<CR> queues, and the message goes in at the end of the run"] = function()
  run()
  h.send("later")
  h.see("Queued · later")
  eq(input(), { "" })
  go_on()
  h.status("finished")
  h.see("Later it is.")
  eq(vim.tbl_contains(h.transcript(), "Queued · later"), false)
end

T["<C-s> steers: the message goes in before the next step"] = function()
  run()
  child.type_keys("i", "steer it", "<C-s>", "<Esc>")
  h.see("steer it")
  go_on()
  h.status("finished")
  h.see("Steered.")
end

T["gs sends a queued message before the next step"] = function()
  run()
  h.send("steer this")
  h.see("Queued · steer this")
  h.on("Queued · steer this")
  child.lua([[
    local client = require("agent_rpc.client")
    local request = client.request
    client.request = function(method, params, done)
      request(method, params, function(err, result)
        _G.disposition = result and result.disposition
        done(err, result)
      end)
    end
  ]])
  child.type_keys("gs")
  h.wait("return _G.disposition == 'steered'")
  go_on()
  h.status("finished")
  h.see("Steered.")
end

T["gu takes a queued message back into the input"] = function()
  run()
  h.send("take me back")
  h.see("Queued · take me back")
  h.on("Queued · take me back")
  child.type_keys("gu")
  h.wait("local c = require('agent_rpc.conversation').current() return #c:info().queued == 0")
  h.wait(
    "local c = require('agent_rpc.conversation').current() return vim.api.nvim_buf_get_lines(c.input, 0, -1, false)[1] == 'take me back'"
  )
  go_on()
  h.status("finished")
  eq(input(), { "take me back" })
end

T["gz pauses before the next step, and resume goes on"] = function()
  run()
  h.go("transcript")
  child.type_keys("gz")
  h.wait("return require('agent_rpc.conversation').current():info().status == 'pausing'")
  h.on_screen("pausing")
  go_on()
  h.status("paused")
  h.see("Paused")
  child.cmd("AgentRpc resume")
  h.status("finished")
  h.see("Done.")
end

T["stop says that it is stopping until it has stopped"] = function()
  run()
  child.lua([[
    local window = require("agent_rpc.window")
    _G.said = {}
    local status = window.status
    window.status = function(c)
      local text, group, sign = status(c)
      _G.said[text] = true
      return text, group, sign
    end
  ]])
  child.cmd("AgentRpc stop")
  h.status("paused")
  eq(child.lua_get("_G.said.stopping"), true)
  h.see("Stopped by you")
end

T["rewind goes back to before a message and puts it into the input"] = function()
  h.start({ script = [[{"text": "One."} {"text": "Two."} {"text": "Other."}]] })
  h.new()
  h.send("first")
  h.status("finished")
  h.send("second")
  h.see("Two.")
  h.status("finished")
  h.on("second")
  child.cmd("AgentRpc rewind")
  h.wait(
    "local c = require('agent_rpc.conversation').current() return vim.api.nvim_buf_get_lines(c.input, 0, -1, false)[1] == 'second'"
  )
  h.wait(
    "local c = require('agent_rpc.conversation').current() return c.transcript.timer == nil and not table.concat(vim.api.nvim_buf_get_lines(c.transcript.buf, 0, -1, false), ' '):find('Two', 1, true)"
  )
  h.go("input")
  child.type_keys("<CR>")
  h.see("Other.")
end

T["fork goes on in a copy"] = function()
  h.start({ script = [[{"text": "One."} {"text": "Two."}]] })
  h.new()
  h.send("first")
  h.status("finished")
  local before = h.get("c.id")
  child.cmd("AgentRpc fork Another way")
  h.wait(("return require('agent_rpc.conversation').current().id ~= %q"):format(before))
  h.see("One.")
  eq(h.get("c:title()"), "Another way")
  eq(child.lua_get("#require('agent_rpc.conversation').list()"), 2)
end

return T
