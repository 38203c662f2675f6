local h = require("helpers")
local child = h.child
local eq = MiniTest.expect.equality

local T = h.set()

local script = [[
  {"text": "I'd change one line and delete the cache.", "calls": [
    {"file_editor": {"command": "str_replace", "path": "${workspace}/a.txt", "old_str": "two", "new_str": "2", "security_risk": "MEDIUM"}},
    {"terminal": {"command": "rm -rf ./cache && echo gone", "security_risk": "HIGH"}}]}
  {"when_output": "not today", "text": "Then not."}
  {"text": "Done."}
]]
local files = { ["a.txt"] = "one\ntwo\nthree\n" }
local armed =
  "local c = require('agent_rpc.conversation').current() local p = require('agent_rpc.approval').pending(c) return p ~= nil and c.transcript:armed(p.requestId)"

local function ask(o)
  h.start(vim.tbl_extend("force", { script = script, files = files }, o or {}))
  h.new()
  h.send("Clean up")
  h.status("waiting_for_confirmation")
end

T["is a block with the whole action, and takes no focus"] = function()
  ask()
  h.wait(armed)
  eq(child.bo.filetype, "agent_rpc_input")
  h.see("Run command? · HIGH RISK · 2 of 2")
  h.on_screen("A approve all 2")
  h.expect_screen("approval")
  eq(h.read("a.txt"), files["a.txt"])
end

T["A approves in the block, and only there"] = function()
  ask()
  h.wait(armed)
  h.on("I'd change one line")
  MiniTest.expect.error(function()
    child.type_keys("A")
  end, "E21") -- as in any buffer that can't be changed
  eq(h.get("c:info().status"), "waiting_for_confirmation")
  h.on("Edit a.txt?")
  child.type_keys("A")
  h.status("finished")
  eq(h.read("a.txt"), "one\n2\nthree\n")
end

T["is dead in its first half second"] = function()
  ask()
  child.lua("require('agent_rpc.conversation').current().transcript.seen = {}")
  h.on("Edit a.txt?")
  child.type_keys("A")
  child.cmd("AgentRpc approve")
  eq(h.get("c:info().status"), "waiting_for_confirmation")
  MiniTest.expect.no_equality(child.cmd_capture("messages"):find("look at it first", 1, true), nil)
  child.lua("require('agent_rpc.conversation').current().transcript:hint()")
  h.wait(armed)
  child.cmd("AgentRpc approve")
  h.status("finished")
end

T["X rejects and ends the run"] = function()
  ask()
  h.on("Edit a.txt?")
  child.type_keys("X")
  h.status("idle")
  h.see("Rejected by you")
  eq(h.read("a.txt"), files["a.txt"])
end

T["R asks for a reason, which the agent reads"] = function()
  ask()
  h.on("Edit a.txt?")
  child.type_keys("R")
  child.type_keys("not today", "<CR>")
  h.status("finished")
  h.see('rejected: "not today"')
  h.see("Then not.")
end

T["an empty reason rejects nothing"] = function()
  ask()
  h.on("Edit a.txt?")
  child.type_keys("R")
  child.type_keys("<CR>")
  child.type_keys("R")
  child.type_keys("<Esc>")
  eq(h.get("c:info().status"), "waiting_for_confirmation")
end

T["<CR> opens the whole diff"] = function()
  ask()
  h.on("Edit a.txt?")
  child.type_keys("<CR>")
  eq(child.wo.diff, true)
  eq(child.api.nvim_buf_get_lines(0, 0, -1, false), { "one", "2", "three" })
  child.cmd("wincmd h")
  eq(child.api.nvim_buf_get_lines(0, 0, -1, false), { "one", "two", "three" })
end

T["a message does not approve, and waits"] = function()
  ask()
  h.send("And hurry")
  h.see("Queued · And hurry")
  eq(h.get("c:info().status"), "waiting_for_confirmation")
end

T["still waits after Neovim has ended, and is asked again"] = function()
  ask()
  h.stop()
  h.start({ script = script, same = true })
  child.lua("vim.ui.select = function(items, _, done) done(items[1]) end")
  child.cmd("AgentRpc history")
  h.status("waiting_for_confirmation")
  h.see("Edit a.txt? · +1 -1 · MEDIUM RISK · 1 of 2")
  h.wait(armed)
  child.cmd("AgentRpc approve")
  h.status("finished")
  eq(h.read("a.txt"), "one\n2\nthree\n")
end

T["the autocommand tells of it"] = function()
  h.start({ script = script, files = files })
  child.lua(
    [[vim.api.nvim_create_autocmd("User", { pattern = "AgentRpcApproval", callback = function(e) vim.g.asked = #e.data.pending.actions end })]]
  )
  h.new()
  h.send("Clean up")
  h.status("waiting_for_confirmation")
  eq(child.g.asked, 2)
  eq(child.lua_get("require('agent_rpc').pending()"), 1)
  eq(child.lua_get("require('agent_rpc').statusline()"), "? waiting for you 1 · $0.00")
end

return T
