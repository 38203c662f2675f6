-- The screen in narrow terminals, without colours, with plain signs, and on a
-- light background.
local h = require("helpers")
local child = h.child
local eq = MiniTest.expect.equality

local T = h.set()

local script = [[
  {"settings": {"usage": {"prompt_tokens": 38000, "completion_tokens": 80, "context_window": 200000, "cost": 0.14}}}
  {"for": "title", "text": "Retry failed webhooks with backoff", "repeat": "forever"}
  {"reasoning": "Deliveries are dropped in send().", "text": "A `5xx` ends the delivery in dispatcher.go:3. I'll move the decision into a policy:\n\n```go\nfunc (p Policy) Next(n int) time.Duration\n```", "calls": [
    {"task_tracker": {"command": "plan", "task_list": [{"title": "Find where deliveries are dropped", "status": "done"}, {"title": "Add a backoff policy", "status": "in_progress"}, {"title": "Document it", "status": "todo"}], "security_risk": "LOW"}},
    {"file_editor": {"command": "view", "path": "${workspace}/dispatcher.go", "security_risk": "LOW"}},
    {"file_editor": {"command": "str_replace", "path": "${workspace}/dispatcher.go", "old_str": "\treturn nil\n", "new_str": "\treturn policy.Next(1)\n", "security_risk": "LOW"}},
    {"terminal": {"command": "sh -c 'echo dispatcher.go:4:9: undefined: policy >&2; exit 1'", "security_risk": "LOW"}}]}
  {"calls": [{"terminal": {"command": "cd . && rm -rf ./testdata/old && echo regenerated | tee gen.log", "security_risk": "HIGH"}}]}
  {"text": "Done."}
]]
local files = {
  ["dispatcher.go"] = "package webhook\n\nfunc send() error {\n\treturn nil\n}\n",
}

local armed =
  "local c = require('agent_rpc.conversation').current() local p = require('agent_rpc.approval').pending(c) return p ~= nil and c.transcript:armed(p.requestId)"

local function talk(o)
  h.start(vim.tbl_extend("force", { script = script, files = files }, o))
  for name, value in pairs(o.set or {}) do
    child.o[name] = value
  end
  h.stop_clock()
  h.new()
  h.send("Failed webhooks are dropped after the first 5xx. Retry them, at most 5 times.")
  h.status("waiting_for_confirmation")
  h.wait(armed)
  h.on_screen("A approve")
end

local function finish(name)
  h.expect_screen(name .. "-asking")
  child.cmd("AgentRpc approve")
  h.status("finished")
  h.see("2 files changed")
  h.on_screen("Retry failed")
  h.see("$0.56") -- with the request for the title
  h.expect_screen(name)
end

T["60 columns"] = function()
  talk({ columns = 60, lines = 50 })
  finish("narrow")
end

T["wide, beside the file"] = function()
  talk({ columns = 160, lines = 50, options = { layout = "auto" } })
  finish("wide")
end

T["a light background"] = function()
  talk({ columns = 100, lines = 50, set = { background = "light", termguicolors = true } })
  finish("light")
end

T["without colours, with plain signs"] = function()
  talk({ columns = 80, lines = 50, options = { ascii = true }, set = { termguicolors = false } })
  child.cmd("syntax off")
  finish("plain")
  for _, line in ipairs(vim.split(h.screen(), "\n")) do
    eq(line:find("[●✓✗○■▾▸│┃]"), nil)
  end
end

T["every group is a link that a colour scheme may set"] = function()
  h.start({ script = script, files = files })
  child.cmd("highlight AgentRpcTitle guifg=#123456")
  h.new()
  local groups = child.lua_get("require('agent_rpc.look').groups")
  for name, to in pairs(groups) do
    local hl = child.lua_get(("vim.api.nvim_get_hl(0, { name = 'AgentRpc%s' })"):format(name))
    if name == "Title" then
      eq(hl.fg, 0x123456)
    else
      eq(hl.link, to)
    end
  end
  child.cmd("colorscheme habamax")
  eq(child.lua_get("vim.api.nvim_get_hl(0, { name = 'AgentRpcVerb' })").link, "Statement")
end

return T
