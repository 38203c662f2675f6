--- :checkhealth agent_rpc
local M = {}

-- What the server says of the model, without opening a connection.
local function model(cmd)
  local options = require("agent_rpc.config").get()
  cmd = vim.list_extend(vim.deepcopy(cmd), { "doctor", "--json", "--offline" })
  local ran, out = pcall(function()
    return vim.system(cmd, { text = true, timeout = 10000, env = options.env }):wait()
  end)
  local read, report = pcall(vim.json.decode, ran and out.stdout or "")
  for _, check in ipairs(read and type(report) == "table" and report.checks or {}) do
    if check.name == "model" and check.status == "ok" then
      vim.health.ok("model: " .. check.detail)
    elseif check.name == "model" then
      vim.health.warn(
        "model: " .. check.detail,
        { check.remedy or "", "or in Neovim: :AgentRpc model PROVIDER/NAME and :AgentRpc key PROVIDER" }
      )
    end
  end
end

--- What :checkhealth runs.
function M.check()
  local binary = require("agent_rpc.binary")
  local client = require("agent_rpc.client")
  local config = require("agent_rpc.config")
  local health = vim.health

  health.start("agent_rpc")
  if vim.fn.has("nvim-0.10") == 1 then
    health.ok(("Neovim %s"):format(tostring(vim.version())))
  else
    health.error("Neovim 0.10 or newer is needed")
  end

  local problems = config.problems()
  for _, problem in ipairs(problems) do
    health.warn(problem, ":help agent_rpc-options")
  end
  if #problems == 0 then
    health.ok("options")
  end

  local found, why = binary.find()
  if not found then
    health.error(why, binary.remedy)
    return
  end
  local cmd = vim.list_extend(vim.deepcopy(found.cmd), { "version", "--json" })
  local ok, out = pcall(function()
    return vim.system(cmd, { text = true, timeout = 10000 }):wait()
  end)
  local version, wrong
  if ok then
    version, wrong = binary.read(out)
  else
    wrong = tostring(out)
  end
  if version then
    health.ok(("agent-rpc %s, %s (from %s)"):format(version.version, found.cmd[1], found.from))
  else
    health.error(("%s (from %s): %s"):format(found.cmd[1], found.from, wrong), binary.remedy)
  end

  if version then
    model(found.cmd)
  end

  if client.running() then
    health.ok("the server runs")
  elseif client.failure then
    health.warn(client.failure, { ":AgentRpc restart", ":AgentRpc log" })
  else
    health.info("the server does not run; it is started when it is needed")
  end
  if vim.fn.executable("git") == 0 then
    health.info("git is not here: @ completes files without it")
  end
  local loaded, there = pcall(vim.treesitter.language.add, "markdown")
  if not loaded or (vim.fn.has("nvim-0.11") == 1 and not there) then
    health.warn("Neovim's markdown parser is missing: answers are not highlighted")
  end
end

return M
