local h = require("helpers")
local child = h.child
local eq = MiniTest.expect.equality

local T = h.set()

T["streams an answer, carries out tools and shows how it ended"] = function()
  h.start({
    files = { ["greet.sh"] = 'echo "Hello"\n' },
    script = [[
      {"settings": {"usage": {"prompt_tokens": 1200, "completion_tokens": 80, "context_window": 200000, "cost": 0.004}}}
      {"for": "title", "text": "Greet in French", "repeat": "forever"}
      {"reasoning": "The greeting is in greet.sh, and nowhere else in this folder as far as I can see.\nSo read it.", "text": "I'll look first.", "calls": [
        {"task_tracker": {"command": "plan", "task_list": [{"title": "Read", "status": "done"}, {"title": "Change it", "status": "in_progress"}], "security_risk": "LOW"}},
        {"file_editor": {"command": "view", "path": "${workspace}/greet.sh", "security_risk": "LOW"}}]}
      {"calls": [{"file_editor": {"command": "str_replace", "path": "${workspace}/greet.sh", "old_str": "Hello", "new_str": "Bonjour", "security_risk": "LOW"}},
        {"terminal": {"command": "sh greet.sh; (exit 3)", "security_risk": "LOW"}}]}
      {"text": "It greets in **French** now:\n\n```sh\necho \"Bonjour\"\n```"}
    ]],
  })
  h.stop_clock()
  h.new()
  h.send("Greet in French")
  h.status("finished")
  h.on_screen("✓ Greet in French")
  h.see("5.1k tokens") -- with the request for the title
  eq(h.read("greet.sh"), 'echo "Bonjour"\n')
  h.see("1 file changed")
  h.expect_screen("conversation")
  eq(child.cmd_capture("messages"), "")
end

T["answers appear while they are written"] = function()
  h.start({ script = [[{"text": "One two three", "chunk": 4, "delay": 20, "wait": "forever"}]] })
  h.new()
  h.send("Count")
  h.see("One two three")
  eq(h.get("c:info().status"), "running")
  child.cmd("AgentRpc stop")
  h.status("paused")
  h.see("Stopped by you")
end

T["shows output of a command while it runs"] = function()
  h.start({
    script = [[{"calls": [{"terminal": {"command": "echo first; sleep 30", "security_risk": "LOW"}}]} "Done."]],
  })
  h.new()
  h.send("Wait")
  h.see("first")
  h.go("transcript")
  child.type_keys("<C-c>")
  h.status("paused")
  h.see("Stopped by you")
  eq(vim.tbl_contains(h.transcript(), ":AgentRpc resume"), true)
  child.cmd("AgentRpc resume")
  h.status("finished")
  h.see("Done.")
  eq(vim.tbl_contains(h.transcript(), ":AgentRpc resume"), false)
end

return T
