--- The coding agent in Neovim. Nothing needs to be called for it to work: options
--- are vim.g.agent_rpc, and everything begins with :AgentRpc.
local M = {}

--- The same as setting vim.g.agent_rpc, for those who like a function.
---@param options agent_rpc.Options?
function M.setup(options)
  vim.g.agent_rpc = vim.tbl_deep_extend("force", vim.g.agent_rpc or {}, options or {})
end

--- A text for 'statusline'.
function M.statusline()
  return require("agent_rpc.status").line()
end

--- How many conversations wait for you.
function M.pending()
  return require("agent_rpc.status").pending()
end

return M
