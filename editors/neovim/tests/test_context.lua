-- What goes along with a message, and completion in the input.
local h = require("helpers")
local child = h.child
local eq = MiniTest.expect.equality

local T = h.set()

local script = [[{"text": "You said: ${last_user_message}", "repeat": "forever"}]]

local function start(o)
  h.start(vim.tbl_extend("force", {
    script = script,
    files = { ["a.txt"] = "one\ntwo\nthree\n", ["sub b.txt"] = "b\n", ["other.lua"] = "return 1\n" },
  }, o or {}))
  child.cmd("edit a.txt")
end

local function names()
  return child.lua_get("require('agent_rpc.context').names(require('agent_rpc.conversation').current())")
end

-- The content of the last message that was sent.
local function sent()
  return child.lua([[
    local c = require("agent_rpc.conversation").current()
    local out
    for _, row in ipairs(c.fold.rows) do
      if row.kind == "user" then
        out = { text = row.text, context = row.context }
      end
    end
    return out
  ]])
end

local function say(text)
  h.send(text)
  h.status("finished")
end

T["the current file goes along, and the bar says so"] = function()
  start()
  h.new()
  eq(names(), { "a.txt (current)" })
  h.on_screen("sent along: a.txt (current)")
  say("Look")
  eq(sent(), { text = "Look", context = { "a.txt" } })
end

T["unless it should not"] = function()
  start({ options = { context = { current = false } } })
  h.new()
  eq(names(), {})
  say("Look")
  eq(sent(), { text = "Look", context = {} })
end

T["lines, diagnostics and the quickfix list are added, and go along once"] = function()
  start({ options = { context = { current = false } } })
  h.new()
  child.cmd("tabfirst")
  child.cmd("2,3AgentRpc add")
  child.lua([[
    vim.diagnostic.set(vim.api.nvim_create_namespace("t"), 0, {
      { lnum = 0, col = 0, end_lnum = 0, end_col = 3, message = "is too small", severity = vim.diagnostic.severity.ERROR, source = "lint" },
    })
    vim.fn.setqflist({ { bufnr = vim.fn.bufnr(), lnum = 3, text = "three is a crowd" } })
  ]])
  child.cmd("AgentRpc add diagnostics")
  child.cmd("AgentRpc add quickfix")
  child.cmd("AgentRpc add other.lua")
  eq(names(), { "a.txt:2-3", "1 problem in a.txt", "quickfix (1)", "other.lua" })
  child.cmd("AgentRpc open")
  say("Look")
  eq(sent().context, { "a.txt:2-3", "problems in a.txt", "other.lua" })
  MiniTest.expect.no_equality(sent().text:find("a.txt:3: three is a crowd", 1, true), nil)
  eq(names(), {})
end

T["a selection in visual mode"] = function()
  start({ options = { context = { current = false } } })
  h.new()
  child.cmd("tabfirst")
  child.api.nvim_win_set_cursor(0, { 1, 0 })
  child.type_keys("Vj")
  child.type_keys(":AgentRpc add<CR>")
  eq(names(), { "a.txt:1-2" })
  child.cmd("AgentRpc add clear")
  eq(names(), {})
end

T["<Plug> maps do the same"] = function()
  start({ options = { context = { current = false } } })
  child.cmd("nmap <F2> <Plug>(AgentRpcNew)")
  child.cmd("xmap <F3> <Plug>(AgentRpcAdd)")
  child.type_keys("<F2>")
  h.wait("local c = require('agent_rpc.conversation').current() return c ~= nil and #vim.fn.win_findbuf(c.input) > 0")
  child.cmd("tabfirst")
  child.api.nvim_win_set_cursor(0, { 2, 0 })
  child.type_keys("V", "<F3>")
  eq(names(), { "a.txt:2" })
end

T["what is not there is said"] = function()
  start({ options = { context = { current = false } } })
  h.new()
  child.cmd("AgentRpc add diagnostics")
  MiniTest.expect.no_equality(child.cmd_capture("messages"):find("there are no diagnostics here", 1, true), nil)
  child.cmd("AgentRpc add quickfix")
  MiniTest.expect.no_equality(child.cmd_capture("messages"):find("the quickfix list is empty", 1, true), nil)
  eq(names(), {})
end

T["@ names a file, which goes along"] = function()
  start({ options = { context = { current = false } } })
  h.new()
  say("Compare @a.txt, @nothing.txt and @other.lua.")
  eq(sent().context, { "a.txt", "other.lua" })
end

T["@ completes files, / completes skills"] = function()
  start({ options = { context = { current = false } } })
  vim.fn.mkdir(h.workspace .. "/.agents/skills/tidy", "p")
  h.write(".agents/skills/tidy/SKILL.md", "---\nname: tidy\ndescription: Tidy up\n---\nTidy.\n")
  h.new()
  child.type_keys("i", "See @oth")
  h.wait("return vim.fn.pumvisible() == 1")
  eq(child.api.nvim_get_current_line(), "See @oth")
  child.type_keys("<C-n>")
  h.wait("return vim.api.nvim_get_current_line() == 'See @other.lua'")
  child.type_keys("<C-e>", "<Esc>", "cc")
  h.wait("return require('agent_rpc.conversation').current().skills ~= nil")
  child.type_keys("/")
  h.wait("return vim.fn.complete_info({ 'items' }).items[1] ~= nil")
  local words =
    child.lua_get("vim.tbl_map(function(item) return item.word end, vim.fn.complete_info({ 'items' }).items)")
  eq(vim.tbl_contains(words, "/tidy"), true)
end

T["an @ inside of a word opens nothing"] = function()
  start({ options = { context = { current = false } } })
  h.new()
  child.type_keys("i", "ada@example.org a/b", "<Esc>")
  eq(child.api.nvim_buf_get_lines(0, 0, -1, false), { "ada@example.org a/b" })
end

T["what could not be sent stays in the input"] = function()
  start({ options = { context = { current = false } } })
  h.new()
  child.lua("require('agent_rpc.conversation').current().id = '00000000-0000-4000-8000-000000000000'")
  pcall(h.send, "Do not lose me") -- the message of what is wrong
  h.wait("return vim.fn.execute('messages') ~= ''")
  h.wait("return vim.api.nvim_get_current_line() == 'Do not lose me'")
end

T["sub-commands and their arguments are completed"] = function()
  start()
  local function complete(line)
    return child.fn.getcompletion(line, "cmdline")
  end
  eq(vim.tbl_contains(complete("AgentRpc "), "changes"), true)
  eq(complete("AgentRpc re"), { "reject", "rename", "restart", "resume", "rewind" })
  eq(complete("AgentRpc policy "), { "ask", "never", "risky" })
  eq(complete("AgentRpc policy r"), { "risky" })
  child.cmd("AgentRpc nonsense")
  MiniTest.expect.no_equality(child.cmd_capture("messages"):find('there is no sub-command "nonsense"', 1, true), nil)
end

return T
