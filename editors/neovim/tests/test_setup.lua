-- Finding the server, options, keys, and what nothing is done for.
local h = require("helpers")
local child = h.child
local eq = MiniTest.expect.equality

local T = h.set()

local key_script = [[{"text": "One."}]]

local function messages_have(text)
  h.wait(("return vim.fn.execute('messages'):gsub('%%s+', ' '):find(%q, 1, true) ~= nil"):format(text))
end

local function program(name, lines)
  local path = h.home .. "/" .. name
  vim.fn.writefile(lines, path)
  vim.uv.fs_chmod(path, tonumber("755", 8))
  return path
end

T["nothing is loaded before it is used"] = function()
  h.start({ script = key_script })
  eq(
    child.lua_get(
      "vim.tbl_filter(function(name) return vim.startswith(name, 'agent_rpc') end, vim.tbl_keys(package.loaded))"
    ),
    {}
  )
  eq(child.lua_get("#vim.lsp.get_clients()"), 0)
  eq(child.lua_get("require('agent_rpc').statusline()"), "")
  eq(child.lua_get("require('agent_rpc').pending()"), 0)
  local maps = child.lua_get(
    [[vim.tbl_filter(function(map) return map.lhs:find("AgentRpc") == nil and (map.rhs or ""):find("AgentRpc") ~= nil end, vim.api.nvim_get_keymap("n"))]]
  )
  eq(maps, {})
end

T["a server that is not there is said, with the remedy"] = function()
  h.start({ script = key_script, options = { cmd = "/nowhere/agent-rpc" } })
  MiniTest.expect.error(function()
    child.cmd("AgentRpc new")
  end, "vim.g.agent_rpc.cmd is /nowhere/agent%-rpc, which can't be run")
end

T["another program is not taken for it"] = function()
  h.start({ script = key_script })
  child.lua("vim.g.agent_rpc = { cmd = ... }", { program("other", { "#!/bin/sh", "echo hello" }) })
  child.cmd("AgentRpc new")
  messages_have("is it agent-rpc?")
end

T["another version of the protocol names what to update"] = function()
  h.start({ script = key_script })
  child.lua("vim.g.agent_rpc = { cmd = ... }", {
    program("newer", { "#!/bin/sh", [[echo '{"name":"agent-rpc","version":"9","protocol":9}']] }),
  })
  child.cmd("AgentRpc new")
  messages_have("it speaks version 9 of the protocol and this plugin version 1: update the plugin")
end

T["the option comes before the environment, and that before the path"] = function()
  h.start({ script = key_script })
  local real = child.lua_get("vim.env.AGENT_RPC_BIN")
  local function from()
    return child.lua_get("({ require('agent_rpc.binary').find() })[1].from")
  end
  eq(from(), "$AGENT_RPC_BIN")
  child.lua("vim.g.agent_rpc = { cmd = { ... } }", { real })
  eq(from(), "vim.g.agent_rpc.cmd")
  child.lua(
    "vim.g.agent_rpc = nil vim.env.AGENT_RPC_BIN = nil vim.env.PATH = vim.fs.dirname(...) .. ':' .. vim.env.PATH",
    { real }
  )
  eq(from(), "$PATH")
end

T["setup() is the same as the variable"] = function()
  h.start({ script = key_script })
  child.lua("require('agent_rpc').setup({ policy = 'never' })")
  eq(child.g.agent_rpc.policy, "never")
  h.new()
  eq(h.get("c:info().confirmationPolicy.kind"), "NeverConfirm")
end

T["wrong options are named by checkhealth"] = function()
  h.start({ script = key_script, options = { polcy = "ask", width = "wide", layout = "round" } })
  child.cmd("checkhealth agent_rpc")
  local text = table.concat(child.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
  for _, want in ipairs({
    "vim.g.agent_rpc.polcy is not an option",
    "vim.g.agent_rpc.width must be a number",
    "vim.g.agent_rpc.layout must be one of auto, vsplit, split, tab, current",
    "from $AGENT_RPC_BIN",
    "the server does not run",
  }) do
    MiniTest.expect.no_equality(text:find(want, 1, true), nil)
  end
end

T["health of a running server"] = function()
  h.start({ script = key_script })
  h.new()
  child.cmd("AgentRpc health")
  local text = table.concat(child.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
  MiniTest.expect.no_equality(text:find("the server runs", 1, true), nil)
  eq(text:find("ERROR", 1, true), nil)
end

-- A key reaches the server when it asks, and no file of ours.
local function secret(prepare)
  h.start({
    script = [[{"calls": [{"terminal": {"command": "echo \"it is ${#DEPLOY_KEY} long\"", "security_risk": "LOW"}}]} {"text": "It says: ${last_tool_output}"}]],
  })
  prepare()
  h.new()
  child.lua([[
    local c = require("agent_rpc.conversation").current()
    c:request("updateSecrets", { secrets = { DEPLOY_KEY = { kind = "ClientSecret" } } }, function() _G.updated = true end)
  ]])
  h.wait("return _G.updated")
  h.send("Use it")
  h.status("finished")
  h.see("it is 17 long")
  for _, file in ipairs(vim.fn.glob(h.home .. "/**/*", true, true)) do
    if vim.fn.isdirectory(file) == 0 then
      local content = table.concat(vim.fn.readfile(file, "b"), "\n")
      if content:find("sesame-open-12345", 1, true) then
        error("the key is in " .. file)
      end
    end
  end
end

T["a secret of the environment"] = function()
  secret(function()
    child.lua("vim.env.DEPLOY_KEY = 'sesame-open-12345'")
  end)
end

T["a secret of the user's function"] = function()
  secret(function()
    child.lua(
      "vim.g.agent_rpc = { layout = 'tab', secret = function(name) return name == 'DEPLOY_KEY' and 'sesame-open-12345' or nil end }"
    )
  end)
end

T["a secret that was typed for this Neovim"] = function()
  secret(function()
    child.lua("vim.fn.inputsecret = function(prompt) _G.prompt = prompt return 'sesame-open-12345' end")
    child.cmd("AgentRpc key DEPLOY_KEY")
    eq(child.lua_get("_G.prompt"), "DEPLOY_KEY: ")
  end)
end

T["a missing key names how to give it"] = function()
  h.start({ script = key_script })
  child.lua("vim.env.LLM_MODEL = 'anthropic/claude-test' vim.env.ANTHROPIC_API_KEY = nil vim.env.LLM_API_KEY = nil")
  h.new()
  child.api.nvim_input("iHello<Esc><CR>")
  messages_have(":AgentRpc key ANTHROPIC_API_KEY")
end

T["without a model, what to do is on the screen and in the error"] = function()
  h.start({ script = key_script, columns = 60 })
  child.lua("vim.env.LLM_MODEL = nil vim.env.ANTHROPIC_API_KEY = nil")
  h.new()
  h.on_screen("No model is named yet")
  child.api.nvim_input("iHello<Esc><CR>")
  messages_have("In Neovim: :AgentRpc model PROVIDER/NAME")
  child.cmd("checkhealth agent_rpc")
  local report = table.concat(child.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
  MiniTest.expect.no_equality(report:find("model: No model is configured", 1, true), nil)
end

T["model works before there is a conversation, and a key is asked for by its provider"] = function()
  h.start({ script = key_script })
  child.lua("vim.env.LLM_MODEL = nil")
  child.cmd("AgentRpc model scripted/" .. h.script)
  h.wait(
    "local c = require('agent_rpc.conversation').current() return c ~= nil and c:info().model:find('scripted') ~= nil"
  )
  h.wait("local c = require('agent_rpc.conversation').current() return #vim.fn.win_findbuf(c.input) > 0")
  h.send("Hello")
  h.see("One.")
  child.lua("vim.fn.inputsecret = function(prompt) _G.prompt = prompt return '' end")
  child.cmd("AgentRpc key openai")
  eq(child.lua_get("_G.prompt"), "OPENAI_API_KEY: ")
end

T["the answer of ask is beside the conversation"] = function()
  h.start({ script = [[{"text": "One."}]] })
  h.new()
  h.send("first")
  h.status("finished")
  local before = h.transcript()
  child.cmd("AgentRpc ask What is it?")
  messages_have("A scripted answer to")
  eq(h.transcript(), before)
end

T["a question of the agent is asked and answered"] = function()
  h.start({
    script = [[{"calls": [{"ask_user": {"question": "Which colour?", "options": ["red", "blue"], "security_risk": "LOW"}}]} {"text": "It says: ${last_tool_output}"}]],
  })
  h.new()
  h.send("Paint it")
  h.status("waiting_for_input")
  h.see("Which colour?")
  child.lua("vim.ui.select = function(items, o, done) _G.items = items done(items[2]) end")
  child.cmd("AgentRpc answer")
  h.status("finished")
  h.see("blue")
end

return T
