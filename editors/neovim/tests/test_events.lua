-- What other plugins and the status line are told.
local h = require("helpers")
local child = h.child
local eq = MiniTest.expect.equality

local T = h.set()

local script = [[
  {"settings": {"usage": {"prompt_tokens": 1000, "completion_tokens": 10, "context_window": 200000, "cost": 0.25}}}
  {"calls": [{"terminal": {"command": "rm -rf ./cache", "security_risk": "HIGH"}}]}
  {"calls": [{"ask_user": {"question": "Which colour?", "options": ["red", "blue"], "security_risk": "LOW"}}]}
  {"text": "Done."}
]]

-- The names that came, and the data of the last of each.
local function listen()
  child.lua([[
    _G.names, _G.data = {}, {}
    vim.api.nvim_create_autocmd("User", {
      pattern = "AgentRpc*",
      callback = function(event)
        _G.names[#_G.names + 1] = event.match
        _G.data[event.match] = event.data
      end,
    })
  ]])
end

local function data(name)
  h.wait(("return _G.data.%s ~= nil"):format(name))
  return child.lua_get(("_G.data.%s"):format(name))
end

local armed =
  "local c = require('agent_rpc.conversation').current() local p = require('agent_rpc.approval').pending(c) return p ~= nil and c.transcript:armed(p.requestId)"
local line = "require('agent_rpc').statusline()"
local pending = "require('agent_rpc').pending()"

T["autocommands and the status line follow a run"] = function()
  h.start({ script = script })
  listen()
  h.new()
  eq(child.lua_get(line), "○ · $0.00")
  h.send("Paint it")
  h.status("waiting_for_confirmation")
  local id = h.get("c.id")
  eq(child.lua_get(line), "? waiting for you 1 · $0.25")
  eq(child.lua_get(pending), 1)
  local approval = data("AgentRpcApproval")
  eq({ approval.id, #approval.pending.actions }, { id, 1 })

  h.wait(armed)
  child.cmd("AgentRpc approve")
  h.status("waiting_for_input")
  local resolved = data("AgentRpcResolved")
  eq({ resolved.id, resolved.requestId }, { id, approval.pending.requestId })
  eq(resolved.outcome, "approved")
  eq(data("AgentRpcQuestion").pending.message:find("Which colour?", 1, true) ~= nil, true)

  child.lua("vim.ui.select = function(items, _, done) done(items[1]) end")
  child.cmd("AgentRpc answer")
  h.status("finished")
  eq(child.lua_get(pending), 0)
  eq(data("AgentRpcEnd"), { id = id, status = "finished", stopReason = "finished" })
  eq(data("AgentRpcState").id, id)
  local event = data("AgentRpcEvent")
  eq({ event.id, type(event.seq), type(event.event.kind) }, { id, "number", "string" })
  h.wait("return _G.data.AgentRpcList ~= nil")
  eq(child.lua_get(line):find("^✓ finished %d · %$0%.75$") ~= nil, true)
end

T["a conversation that is opened again tells no old events"] = function()
  h.start({ script = [[{"text": "One."}]] })
  h.new()
  h.send("first")
  h.status("finished")
  h.start({ same = true, script = [[{"text": "One."}]] })
  listen()
  child.lua("vim.ui.select = function(items, _, done) done(items[1]) end")
  child.cmd("AgentRpc history")
  h.see("One.")
  h.status("finished")
  eq(child.lua_get("vim.tbl_contains(_G.names, 'AgentRpcEvent') or vim.tbl_contains(_G.names, 'AgentRpcEnd')"), false)
end

return T
