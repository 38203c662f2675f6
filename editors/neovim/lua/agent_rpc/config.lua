--- Options, from vim.g.agent_rpc. They are read when they are needed, so that a
--- change holds at once.
local M = {}

---@class agent_rpc.Options
---@field cmd? string[]|string the server; else $AGENT_RPC_BIN, bin/ of the plugin, $PATH
---@field env? table<string, string> more environment for the server
---@field settings? table settings of the server (docs/configuration.md)
---@field root? string|fun(buf: integer): string folder of a new conversation; else the one with .git above the file, else the current one
---@field policy? "ask"|"risky"|"never" when a new conversation asks before it acts
---@field layout? "auto"|"vsplit"|"split"|"tab"|"current" where the transcript opens
---@field width? number of a vsplit: columns, or a part of the screen if below 1
---@field input_height? integer lines of the input window
---@field context? { current: boolean } whether the current file is sent along
---@field secret? fun(name: string): string? gives keys and secrets when the server asks for them
---@field ascii? boolean plain signs
---@field animate? boolean spinner and running clocks
---@field auto_restart? boolean start the server again when it has stopped
M.defaults = {
  env = {},
  settings = {},
  policy = "risky",
  layout = "auto",
  width = 0.5,
  input_height = 6,
  context = { current = true },
  ascii = false,
  animate = true,
  auto_restart = true,
}

local types = {
  cmd = { "table", "string" },
  env = { "table" },
  settings = { "table" },
  root = { "string", "function" },
  policy = { "string" },
  layout = { "string" },
  width = { "number" },
  input_height = { "number" },
  context = { "table" },
  secret = { "function" },
  ascii = { "boolean" },
  animate = { "boolean" },
  auto_restart = { "boolean" },
}
local one_of = { policy = { "ask", "risky", "never" }, layout = { "auto", "vsplit", "split", "tab", "current" } }

--- What is wrong with vim.g.agent_rpc, a line for each thing.
---@return string[]
function M.problems()
  local given, out = vim.g.agent_rpc, {}
  if given ~= nil and type(given) ~= "table" then
    return { "vim.g.agent_rpc must be a table" }
  end
  for name, value in pairs(given or {}) do
    if not types[name] then
      out[#out + 1] = ("vim.g.agent_rpc.%s is not an option"):format(name)
    elseif not vim.tbl_contains(types[name], type(value)) then
      out[#out + 1] = ("vim.g.agent_rpc.%s must be a %s"):format(name, table.concat(types[name], " or a "))
    elseif one_of[name] and not vim.tbl_contains(one_of[name], value) then
      out[#out + 1] = ("vim.g.agent_rpc.%s must be one of %s"):format(name, table.concat(one_of[name], ", "))
    end
  end
  table.sort(out)
  return out
end

---@return agent_rpc.Options
function M.get()
  local given = type(vim.g.agent_rpc) == "table" and vim.g.agent_rpc or {}
  return vim.tbl_deep_extend("force", M.defaults, given)
end

local policies = {
  ask = { kind = "AlwaysConfirm" },
  risky = { kind = "ConfirmRisky", threshold = "MEDIUM", confirm_unknown = true },
  never = { kind = "NeverConfirm" },
}

--- OpenHands' policy of a name.
---@param name string
function M.policy(name)
  return policies[name]
end

return M
