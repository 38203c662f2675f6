--- Finds the server and asks for its version.
local config = require("agent_rpc.config")

local M = {}

M.protocol = 1
M.remedy = "install agent-rpc, or set vim.g.agent_rpc.cmd or $AGENT_RPC_BIN to its path"

---@class agent_rpc.Binary
---@field cmd string[]
---@field from string where it was found

--- Where the server is: the option, the environment, the plugin's own, the path.
---@return agent_rpc.Binary? binary, string? why not
function M.find()
  local cmd = config.get().cmd
  if cmd then
    cmd = type(cmd) == "string" and { cmd } or vim.deepcopy(cmd)
    cmd[1] = vim.fn.expand(cmd[1])
    if vim.fn.executable(cmd[1]) == 0 then
      return nil, ("vim.g.agent_rpc.cmd is %s, which can't be run"):format(cmd[1])
    end
    return { cmd = cmd, from = "vim.g.agent_rpc.cmd" }
  end
  local env = vim.env.AGENT_RPC_BIN
  if env and env ~= "" then
    if vim.fn.executable(env) == 0 then
      return nil, ("$AGENT_RPC_BIN is %s, which can't be run"):format(env)
    end
    return { cmd = { env }, from = "$AGENT_RPC_BIN" }
  end
  local root = vim.fn.fnamemodify(debug.getinfo(1, "S").source:sub(2), ":p:h:h:h")
  local bundled = root .. "/bin/agent-rpc"
  if vim.fn.executable(bundled) == 1 then
    return { cmd = { bundled }, from = "the plugin" }
  end
  local path = vim.fn.exepath("agent-rpc")
  if path ~= "" then
    return { cmd = { path }, from = "$PATH" }
  end
  return nil, "agent-rpc was not found: " .. M.remedy
end

--- Reads what `agent-rpc version --json` printed.
---@param out vim.SystemCompleted
---@return table? version, string? why not
function M.read(out)
  local ok, version = pcall(vim.json.decode, out.stdout or "")
  if out.code ~= 0 or not ok or type(version) ~= "table" or version.name ~= "agent-rpc" then
    return nil, "it does not answer `version --json`; is it agent-rpc?"
  end
  if version.protocol ~= M.protocol then
    local older = version.protocol < M.protocol
    return nil,
      ("it speaks version %d of the protocol and this plugin version %d: update %s"):format(
        version.protocol,
        M.protocol,
        older and "agent-rpc" or "the plugin"
      )
  end
  return version
end

--- Checks the version of a binary, without waiting.
---@param binary agent_rpc.Binary
---@param done fun(version: table?, why: string?)
function M.check(binary, done)
  local cmd = vim.list_extend(vim.deepcopy(binary.cmd), { "version", "--json" })
  local function read(out)
    local version, why = M.read(out)
    done(version, why and ("%s (from %s): %s"):format(binary.cmd[1], binary.from, why))
  end
  local ok, err = pcall(vim.system, cmd, { text = true, timeout = 10000 }, vim.schedule_wrap(read))
  if not ok then
    done(nil, tostring(err))
  end
end

return M
