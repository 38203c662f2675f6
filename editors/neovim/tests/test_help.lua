-- The manual is what the sources say. With UPDATE=1 it is written anew.
local eq = MiniTest.expect.equality

local T = MiniTest.new_set()

local path = vim.g.tests_root .. "/doc/agent_rpc.txt"

T["the manual is current"] = function()
  vim.cmd("runtime plugin/agent_rpc.lua")
  local lines = require("help").lines()
  if vim.env.UPDATE then
    vim.fn.mkdir(vim.fs.dirname(path), "p")
    vim.fn.writefile(lines, path)
  end
  eq(lines, vim.fn.readfile(path))
end

-- Managers make tags for the repository's own doc/ alone, so ours come along.
T["the tags are current"] = function()
  local folder = vim.fn.tempname()
  vim.fn.mkdir(folder, "p")
  vim.uv.fs_copyfile(path, folder .. "/agent_rpc.txt")
  vim.cmd("helptags " .. folder)
  local lines = vim.fn.readfile(folder .. "/tags")
  if vim.env.UPDATE then
    vim.fn.writefile(lines, vim.fs.dirname(path) .. "/tags")
  end
  eq(lines, vim.fn.readfile(vim.fs.dirname(path) .. "/tags"))
end

T["its lines fit, and its tags are found"] = function()
  for _, line in ipairs(vim.fn.readfile(path)) do
    eq({ line, vim.fn.strdisplaywidth(line) <= 78 }, { line, true })
  end
  for _, tag in ipairs({ "agent_rpc", ":AgentRpc", "vim.g.agent_rpc", "agent_rpc-maps", "agent_rpc-options" }) do
    vim.cmd("help " .. tag)
    eq(vim.fn.expand("%:p"), path)
  end
end

T["every exported function has its types"] = function()
  for file in vim.fs.dir(vim.g.tests_root .. "/lua/agent_rpc", { depth = 2 }) do
    local lines = file:match("%.lua$") and vim.fn.readfile(vim.g.tests_root .. "/lua/agent_rpc/" .. file) or {}
    for i, line in ipairs(lines) do
      local name, args = line:match("^function M%.([%w_]+)%((.-)%)")
      if name then
        local j, doc = i - 1, {}
        while j > 0 and lines[j]:find("^%-%-%-") do
          table.insert(doc, 1, lines[j])
          j = j - 1
        end
        local text = table.concat(doc, "\n")
        if #doc == 0 then
          error(("%s: M.%s has no comment"):format(file, name))
        end
        for arg in args:gmatch("[%w_]+") do
          if not text:find("@param " .. arg, 1, true) then
            error(("%s: M.%s does not say what %s is"):format(file, name, arg))
          end
        end
      end
    end
  end
end

return T
