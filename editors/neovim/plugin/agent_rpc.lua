if vim.g.loaded_agent_rpc or vim.fn.has("nvim-0.10") == 0 then
  return
end
vim.g.loaded_agent_rpc = true

vim.api.nvim_create_user_command("AgentRpc", function(command)
  require("agent_rpc.command").run(command)
end, {
  nargs = "*",
  range = true,
  bang = true,
  desc = "The coding agent: :AgentRpc help",
  complete = function(lead, line)
    return require("agent_rpc.command").complete(lead, line)
  end,
})

for name, sub in pairs({
  Open = "open",
  New = "new",
  Stop = "stop",
  Pause = "pause",
  History = "history",
  Changes = "changes",
}) do
  vim.keymap.set("n", ("<Plug>(AgentRpc%s)"):format(name), ("<Cmd>AgentRpc %s<CR>"):format(sub))
end
vim.keymap.set("n", "<Plug>(AgentRpcAdd)", "<Cmd>AgentRpc add<CR>")
vim.keymap.set("x", "<Plug>(AgentRpcAdd)", ":AgentRpc add<CR>")
