-- The install lines of the README, done with a clone of a local repository.
local eq = MiniTest.expect.equality

local T = MiniTest.new_set()

local address = "https://github.com/agent-rpc/agent-rpc"

-- The first block of a language in the README that holds a text.
local function block(language, text)
  local inside, out
  for _, line in ipairs(vim.fn.readfile(vim.g.tests_root .. "/README.md")) do
    if vim.trim(line) == "```" .. language then
      inside = {}
    elseif inside and vim.trim(line) == "```" then
      out = table.concat(inside, "\n")
      if out:find(text, 1, true) then
        return out
      end
      inside = nil
    elseif inside then
      inside[#inside + 1] = line
    end
  end
  error("the README has no block with " .. text)
end

local function run(cmd, env)
  local out = vim.system(cmd, { text = true, timeout = 60000, env = env }):wait()
  if out.code ~= 0 then
    error(("%s: exit %d\n%s%s"):format(table.concat(cmd, " "), out.code, out.stdout, out.stderr))
  end
  return out.stdout .. out.stderr
end

-- A home, and a repository in place of the one that is far away.
local function prepare()
  local home = vim.fn.tempname()
  local far = home .. "/far"
  vim.fn.mkdir(far .. "/editors", "p")
  vim.fn.mkdir(home .. "/.config/nvim", "p")
  run({ "cp", "-R", vim.g.tests_root, far .. "/editors/neovim" })
  local env = { HOME = home, GIT_CONFIG_GLOBAL = home .. "/gitconfig" }
  for _, name in ipairs({ "CONFIG", "DATA", "STATE", "CACHE" }) do
    env["XDG_" .. name .. "_HOME"] = ({
      CONFIG = home .. "/.config",
      DATA = home .. "/.local/share",
      STATE = home .. "/.local/state",
      CACHE = home .. "/.cache",
    })[name]
  end
  vim.fn.writefile({
    ('[url "file://%s"]'):format(far),
    "\tinsteadOf = " .. address,
    "[user]",
    "\tname = Test",
    "\temail = test@example.com",
    "[safe]",
    "\tdirectory = *",
    "[uploadpack]",
    "\tallowFilter = true",
  }, home .. "/gitconfig")
  for _, words in ipairs({ { "init", "-q" }, { "add", "." }, { "commit", "-qm", "All" } }) do
    run(vim.list_extend({ "git", "-C", far }, words), env)
  end
  return home, env
end

-- What a Neovim with this home says of the plugin, and its manual.
local function says(env)
  return run({
    vim.v.progpath,
    "--headless",
    "-c",
    "lua io.stdout:write(vim.fn.exists(':AgentRpc'), ' ', tostring(package.loaded['agent_rpc']))",
    "-c",
    "help agent_rpc-options",
    "-c",
    "lua io.stdout:write(' ', vim.fn.expand('%:t'))",
    "-c",
    "qa",
  }, env)
end

T["without a manager"] = function()
  local _, env = prepare()
  run({ "sh", "-ec", block("sh", "git clone") }, env)
  eq(says(env), "2 nil agent_rpc.txt")
end

-- 0.10 has none.
if vim.pack then
  T["vim.pack"] = function()
    local home, env = prepare()
    local lines = vim.split(block("lua", "vim.pack"), "\n")
    table.insert(lines, 1, "vim.fn.confirm = function() return 1 end")
    vim.fn.writefile(lines, home .. "/.config/nvim/init.lua")
    says(env) -- it installs, and says how it goes
    eq(says(env), "2 nil agent_rpc.txt")
  end
end

return T
