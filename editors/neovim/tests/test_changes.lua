-- What a run has changed: listed, compared, kept and taken back.
local h = require("helpers")
local child = h.child
local eq = MiniTest.expect.equality

local T = h.set()

local before = table.concat(vim.tbl_map(tostring, vim.fn.range(1, 20)), "\n") .. "\n"

local script = [[
  {"calls": [
    {"file_editor": {"command": "str_replace", "path": "${workspace}/a.txt", "old_str": "2\n3\n", "new_str": "two\n3\n", "security_risk": "LOW"}},
    {"file_editor": {"command": "str_replace", "path": "${workspace}/a.txt", "old_str": "18\n", "new_str": "18\neighteen and a half\n", "security_risk": "LOW"}},
    {"terminal": {"command": "echo made > made.txt", "security_risk": "LOW"}}]}
  {"text": "Done."}
]]

local function change(o)
  h.start(vim.tbl_extend("force", { script = script, files = { ["a.txt"] = before } }, o or {}))
  child.cmd("edit a.txt")
  h.new()
  h.send("Change it")
  h.status("finished")
  h.see("2 files changed, +3 -1")
  h.wait("return require('agent_rpc.conversation').current():info().title ~= nil")
end

local function list()
  child.cmd("AgentRpc changes")
  h.wait("return vim.bo.buftype == 'quickfix'")
end

local function entries()
  return child.lua_get([[vim.tbl_map(function(item)
    return vim.fn.fnamemodify(vim.api.nvim_buf_get_name(item.bufnr), ":t") .. ":" .. item.lnum .. ": " .. item.text
  end, vim.fn.getqflist())]])
end

local function after(with)
  return (
    before
      :gsub("\n2\n", with.two and "\ntwo\n" or "\n2\n")
      :gsub("\n18\n", with.half and "\n18\neighteen and a half\n" or "\n18\n")
  )
end

local function wait_file(name, text)
  local ok = vim.wait(30000, function()
    return h.read(name) == text
  end, 10)
  eq(ok and h.read(name), text)
end

T["are a quickfix list with an entry for each hunk"] = function()
  change()
  list()
  eq(entries(), {
    "a.txt:2:          +1 -1   two",
    "a.txt:19:          +1 -0   eighteen and a half",
    "made.txt:1:          +1 -0   made",
  })
  eq(child.fn.getqflist({ title = 0 }).title, "[Agent changes: Change it] 3 hunks in 2 files")
  child.type_keys("<CR>")
  eq(child.fn.expand("%:t"), "a.txt")
  eq(child.fn.line("."), 2)
end

T["x takes a hunk back, a keeps one"] = function()
  change()
  list()
  child.type_keys("x")
  wait_file("a.txt", after({ half = true }))
  h.wait("return vim.fn.getqflist()[1].text:find('^undone') ~= nil")
  h.wait("return vim.api.nvim_buf_get_lines(vim.fn.bufnr('a.txt'), 1, 2, false)[1] == '2'")
  child.type_keys("j", "a")
  h.wait("return vim.fn.getqflist()[2].text:find('^kept') ~= nil")
  eq(entries()[2], "a.txt:19: kept     +1 -0   eighteen and a half")
  h.wait("local c = require('agent_rpc.conversation').current() return c:info().changes.files == 1")
  eq(h.read("a.txt"), after({ half = true }))
end

T["gX takes back all of a file, gA keeps all of it"] = function()
  change()
  list()
  child.type_keys("gX")
  wait_file("a.txt", before)
  h.wait(
    "return vim.fn.getqflist()[1].text:find('^undone') ~= nil and vim.fn.getqflist()[2].text:find('^undone') ~= nil"
  )
  child.type_keys("G", "gA")
  h.wait("return vim.fn.getqflist()[3].text:find('^kept') ~= nil")
  h.wait("local c = require('agent_rpc.conversation').current() return c:info().changes.files == 0")
  eq(h.read("made.txt"), "made\n")
end

T["d compares a file with what it was, in a tab"] = function()
  change()
  list()
  local tabs = child.fn.tabpagenr("$")
  child.type_keys("d")
  h.wait(("return vim.fn.tabpagenr('$') == %d and vim.wo.diff"):format(tabs + 1))
  eq(child.fn.expand("%:t"), "a.txt")
  eq(child.lua_get("vim.bo.modifiable"), true)
  child.cmd("wincmd h")
  eq(table.concat(child.api.nvim_buf_get_lines(0, 0, -1, false), "\n") .. "\n", before)
  eq(child.wo.diff, true)
  eq(child.lua_get("vim.bo.modifiable"), false)
end

T["undo! takes all back"] = function()
  change()
  child.cmd("AgentRpc! undo")
  wait_file("a.txt", before)
  wait_file("made.txt", nil)
  h.wait("local c = require('agent_rpc.conversation').current() return c:info().changes.files == 0")
end

T["undo asks first"] = function()
  change()
  child.lua("vim.ui.select = function(items, o, done) _G.asked = o.prompt done('keep') end")
  child.cmd("AgentRpc undo")
  eq(child.lua_get("_G.asked"), "Take back all changes, in 2 files?")
  eq(h.read("made.txt"), "made\n")
end

T["what was changed since stays, and that is said"] = function()
  change()
  h.write("a.txt", (after({ two = true, half = true }):gsub("two", "mine")))
  list()
  child.type_keys("gX")
  h.wait("return vim.fn.execute('messages'):find('changed since', 1, true) ~= nil")
  MiniTest.expect.no_equality(h.read("a.txt"):find("mine", 1, true), nil)
end

T["a hunk of an unsaved buffer is taken back in the buffer"] = function()
  change()
  child.cmd("tabfirst")
  h.wait("return vim.api.nvim_buf_get_lines(vim.fn.bufnr('a.txt'), 1, 2, false)[1] == 'two'")
  child.cmd("call append(9, 'mine')")
  list()
  h.wait("return #vim.fn.getqflist() >= 3")
  child.type_keys("gg", "x")
  h.wait("return vim.api.nvim_buf_get_lines(vim.fn.bufnr('a.txt'), 1, 2, false)[1] == '2'")
  eq(child.lua_get("vim.api.nvim_buf_get_lines(vim.fn.bufnr('a.txt'), 9, 10, false)[1]"), "mine")
  eq(h.read("a.txt"), after({ two = true, half = true }))
end

T["the ending names them, and <CR> on it lists them"] = function()
  change()
  h.on("2 files changed")
  child.type_keys("<CR>")
  h.wait("return vim.bo.buftype == 'quickfix'")
  eq(#entries(), 3)
end

return T
