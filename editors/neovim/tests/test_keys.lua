-- The maps of the transcript, limits, and what is picked.
local h = require("helpers")
local child = h.child
local eq = MiniTest.expect.equality

local T = h.set()

local armed =
  "local c = require('agent_rpc.conversation').current() local p = require('agent_rpc.approval').pending(c) return p ~= nil and c.transcript:armed(p.requestId)"

local function line()
  return child.api.nvim_get_current_line()
end

T["gA remembers exactly this command"] = function()
  h.start({
    script = [[
      {"calls": [{"terminal": {"command": "touch a", "security_risk": "MEDIUM"}}]}
      {"calls": [{"terminal": {"command": "touch a", "security_risk": "MEDIUM"}}]}
      {"calls": [{"terminal": {"command": "touch a b", "security_risk": "MEDIUM"}}]}
      {"text": "Done."}
    ]],
  })
  h.new()
  h.send("Make files")
  h.status("waiting_for_confirmation")
  h.wait(armed)
  h.on_screen("gA remember this command")
  h.on("Run command?")
  child.type_keys("gA")
  h.wait(
    "local c = require('agent_rpc.conversation').current() local p = require('agent_rpc.approval').pending(c) "
      .. "return p ~= nil and vim.inspect(p.actions):find('touch a b', 1, true) ~= nil"
  )
  eq(h.get("c.fold:steps()"), 3)
end

T["]a and ]] go to approvals and to your messages"] = function()
  h.start({
    script = [[
      {"text": "One."}
      {"text": "Two.", "calls": [
        {"terminal": {"command": "rm -rf ./cache", "security_risk": "HIGH"}},
        {"terminal": {"command": "rm -rf ./more", "security_risk": "HIGH"}}]}
    ]],
  })
  h.new()
  h.send("first message")
  h.status("finished")
  h.send("second message")
  h.status("waiting_for_confirmation")
  h.go("transcript")
  child.type_keys("gg", "]]")
  eq(line(), "second message")
  child.type_keys("[[")
  eq(line(), "first message")
  child.type_keys("]a")
  local first = child.api.nvim_win_get_cursor(0)[1]
  MiniTest.expect.no_equality(line():find("1 of 2", 1, true), nil)
  child.type_keys("]a")
  MiniTest.expect.no_equality(line():find("2 of 2", 1, true), nil)
  child.type_keys("[a")
  eq(child.api.nvim_win_get_cursor(0)[1], first)
end

T["g? lists the maps"] = function()
  h.start({ script = [[{"text": "One."}]] })
  h.new()
  child.lua("vim.api.nvim_echo = function(chunks) _G.said = chunks[1][1] end")
  for window, text in pairs({ transcript = "A      approve what waits here", input = "<CR>   send; while a run" }) do
    h.go(window)
    child.type_keys("g?")
    MiniTest.expect.no_equality(child.lua_get("_G.said"):find(text, 1, true), nil)
  end
end

T["<CR> shows all of a long output"] = function()
  h.start({ script = [[{"calls": [{"terminal": {"command": "seq 1 60", "security_risk": "LOW"}}]} {"text": "Done."}]] })
  h.new()
  h.send("Count")
  h.status("finished")
  h.on("Run seq 1 60")
  child.type_keys("<CR>")
  h.wait("return vim.api.nvim_buf_line_count(0) >= 60")
  local lines = child.api.nvim_buf_get_lines(0, 0, -1, false)
  eq({ lines[1], lines[60] }, { "1", "60" })
end

T["a run ends at a budget, and goes on with another"] = function()
  h.start({
    script = [[
      {"settings": {"usage": {"prompt_tokens": 1000, "completion_tokens": 10, "context_window": 200000, "cost": 1}}}
      {"calls": [{"terminal": {"command": "true", "security_risk": "LOW"}}], "repeat": 3}
      {"text": "Done."}
    ]],
  })
  h.new()
  child.cmd("AgentRpc budget nothing")
  MiniTest.expect.no_equality(child.cmd_capture("messages"):find("how many dollars?", 1, true), nil)
  child.cmd("AgentRpc budget 2")
  h.wait("return require('agent_rpc.conversation').current():info().maxBudgetPerRun == 2")
  h.send("Go")
  h.see("Budget reached")
  child.cmd("AgentRpc budget 20")
  child.cmd("AgentRpc resume")
  h.status("finished")
  h.see("Done.")
end

T["a run ends at a number of steps, and goes on with more"] = function()
  h.start({
    script = [[{"calls": [{"terminal": {"command": "true", "security_risk": "LOW"}}], "repeat": 3} {"text": "Done."}]],
    options = { settings = { max_iteration_per_run = 2 } },
  })
  h.new()
  h.send("Go")
  h.see("Step limit reached")
  child.cmd("AgentRpc resume many")
  MiniTest.expect.no_equality(child.cmd_capture("messages"):find("is not a number of steps", 1, true), nil)
  child.cmd("AgentRpc resume 9")
  h.see("Done.")
  h.status("finished")
end

T["policy and model are picked"] = function()
  h.start({ script = [[{"text": "One."}]] })
  h.new()
  child.lua(
    "vim.ui.select = function(items, o, done) _G.items = vim.tbl_map(o.format_item, items) done(items[#items]) end"
  )
  child.cmd("AgentRpc policy")
  eq(child.lua_get("_G.items"), { "ask before every action", "ask if risky", "never ask" })
  h.on_screen("never ask")
  child.cmd("AgentRpc policy ask")
  h.wait("return require('agent_rpc.conversation').current():info().confirmationPolicy.kind == 'AlwaysConfirm'")
  child.cmd("AgentRpc policy sometimes")
  MiniTest.expect.no_equality(child.cmd_capture("messages"):find("is no policy", 1, true), nil)
end

T["close leaves the conversation, open shows it again"] = function()
  h.start({ script = [[{"text": "One."}]] })
  h.new()
  h.send("first")
  h.status("finished")
  child.cmd("AgentRpc close")
  eq(h.get("#vim.fn.win_findbuf(c.transcript.buf)"), 0)
  child.cmd("AgentRpc open")
  h.see("One.")
  eq(h.get("#vim.fn.win_findbuf(c.transcript.buf)"), 1)
  eq(child.bo.filetype, "agent_rpc_input")
end

return T
