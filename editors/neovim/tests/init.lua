-- What a Neovim of the tests starts with: the plugin, and in the one that runs
-- them mini.test.
local root = vim.fn.fnamemodify(debug.getinfo(1, "S").source:sub(2), ":p:h:h")
vim.opt.runtimepath:prepend(root)
vim.g.tests_root = root
vim.opt.swapfile = false
if #vim.api.nvim_list_uis() == 0 and vim.env.MINI then
  vim.opt.runtimepath:append(vim.env.MINI)
  package.path = root .. "/tests/?.lua;" .. package.path
end
