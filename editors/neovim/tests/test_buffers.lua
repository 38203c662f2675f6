-- Files that are open: what is not saved is never lost.
local h = require("helpers")
local child = h.child
local eq = MiniTest.expect.equality

local T = h.set()

local text = "one\ntwo\nthree\nfour\nfive\nsix\n"

local function edit(old, new)
  return ([[
    {"calls": [{"file_editor": {"command": "str_replace", "path": "${workspace}/a.txt", "old_str": %s, "new_str": %s, "security_risk": "LOW"}}]}
    {"text": "It says: ${last_tool_output}"}
  ]]):format(vim.json.encode(old), vim.json.encode(new))
end

local function lines()
  return child.lua_get("vim.api.nvim_buf_get_lines(vim.fn.bufnr('a.txt'), 0, -1, false)")
end

local function open(script)
  h.start({ script = script, files = { ["a.txt"] = text } })
  child.cmd("edit a.txt")
end

local function talk()
  h.new()
  h.send("Edit it")
  h.status("finished")
end

local function back_to_file()
  child.cmd("tabfirst")
  eq(child.fn.expand("%:t"), "a.txt")
end

T["an unsaved buffer is edited in place, in one undo step, with folds and marks kept"] = function()
  open(edit("four\nfive", "4\n5\n5b"))
  child.cmd("setlocal foldmethod=manual")
  child.cmd("call setline(1, 'ONE')") -- not saved
  child.cmd("2,3fold")
  child.cmd("6mark m")
  local undo = child.fn.undotree().seq_cur
  talk()
  back_to_file()
  eq(lines(), { "ONE", "two", "three", "4", "5", "5b", "six" })
  eq(h.read("a.txt"), text) -- the disk was left alone
  eq(child.bo.modified, true)
  eq(child.fn.foldclosed(2), 2)
  eq(child.fn.getpos("'m")[2], 7)
  eq(child.fn.undotree().seq_cur, undo + 1)
  child.cmd("undo")
  eq(lines(), { "ONE", "two", "three", "four", "five", "six" })
end

T["the agent reads what is not saved"] = function()
  open([[
    {"calls": [{"file_editor": {"command": "view", "path": "${workspace}/a.txt", "security_risk": "LOW"}}]}
    {"text": "It says: ${last_tool_output}"}
  ]])
  child.cmd("call setline(1, 'unsaved')")
  talk()
  h.see("unsaved")
end

T["a clean buffer follows the disk"] = function()
  open(edit("two", "2"))
  talk()
  h.wait("return vim.api.nvim_buf_get_lines(vim.fn.bufnr('a.txt'), 1, 2, false)[1] == '2'")
  eq(h.read("a.txt"), (text:gsub("two", "2")))
  eq(child.lua_get("vim.bo[vim.fn.bufnr('a.txt')].modified"), false)
end

T["a clean buffer follows what a command wrote"] = function()
  open([[{"calls": [{"terminal": {"command": "echo shell > a.txt", "security_risk": "LOW"}}]} "Done."]])
  talk()
  h.wait("return vim.api.nvim_buf_get_lines(vim.fn.bufnr('a.txt'), 0, -1, false)[1] == 'shell'")
end

T["an unsaved buffer is not overwritten by what a command wrote, and the agent is told"] = function()
  open([[
    {"calls": [{"terminal": {"command": "echo shell > a.txt", "security_risk": "LOW"}}]}
    {"text": "It says: ${last_tool_output}"}
  ]])
  child.cmd("call setline(1, 'mine')")
  talk()
  h.see("Changed on the disk")
  eq(lines()[1], "mine")
  eq(h.read("a.txt"), "shell\n")
end

T["an edit for a version that is past is refused, and nothing is changed"] = function()
  open(edit("two", "2"))
  h.new()
  local answer = child.lua([[
    local buf = vim.fn.bufnr("a.txt")
    local lsp = require("agent_rpc.client").lsp()
    return lsp.handlers["workspace/applyEdit"](nil, { edit = { documentChanges = { {
      textDocument = { uri = vim.uri_from_bufnr(buf), version = vim.api.nvim_buf_get_changedtick(buf) - 1 },
      edits = { { newText = "x", range = { start = { line = 0, character = 0 }, ["end"] = { line = 0, character = 3 } } } },
    } } } }, { method = "workspace/applyEdit", client_id = lsp.id })
  ]])
  eq(answer, { applied = false, failureReason = "the document has changed meanwhile" })
  eq(lines()[1], "one")
end

T["an edit of a buffer that can't be changed is a failed step"] = function()
  open(edit("two", "2"))
  child.cmd("call setline(1, 'mine')")
  child.bo.modifiable = false
  talk()
  h.see("can't be changed")
  eq(lines()[2], "two")
  eq(h.read("a.txt"), text)
end

T["text that is typed while a run goes on is kept"] = function()
  open([[
    {"calls": [{"terminal": {"command": "until [ -e go ]; do sleep 0.05; done", "security_risk": "LOW"}}]}
    {"calls": [{"file_editor": {"command": "str_replace", "path": "${workspace}/a.txt", "old_str": "five", "new_str": "5", "security_risk": "LOW"}}]}
    "Done."
  ]])
  h.new()
  h.send("Edit it")
  h.see("Run until")
  back_to_file()
  child.type_keys("gg", "O", "typed", "<Esc>")
  h.write("go", "")
  h.status("finished")
  eq(lines(), { "typed", "one", "two", "three", "four", "5", "six" })
  eq(h.read("a.txt"), text)
end

T["a new file appears, and one outside the folders is asked about"] = function()
  open([[
    {"calls": [{"file_editor": {"command": "create", "path": "${workspace}/new.txt", "file_text": "hello\n", "security_risk": "LOW"}}]}
    {"calls": [{"file_editor": {"command": "create", "path": "${workspace}/../outside.txt", "file_text": "hello\n", "security_risk": "LOW"}}]}
    "Done."
  ]])
  h.new()
  h.send("Create")
  h.status("waiting_for_confirmation")
  eq(h.read("new.txt"), "hello\n")
  eq(h.read("../outside.txt"), nil)
end

return T
