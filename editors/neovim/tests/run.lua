-- Runs the tests and ends: nvim -u tests/init.lua -l tests/run.lua
require("mini.test").setup({ silent = true })
local names = vim.split(vim.env.TESTS or "", " ", { trimempty = true })
local files = vim.fn.glob(vim.g.tests_root .. "/tests/test_*.lua", true, true)
if #names > 0 then
  files = vim.tbl_filter(function(file)
    return vim.tbl_contains(names, vim.fs.basename(file):match("^test_(.*)%.lua$"))
  end, files)
end

local passed, failed = 0, 0
local function say(text)
  io.stdout:write(text, "\n")
end
MiniTest.run({
  collect = {
    find_files = function()
      return files
    end,
  },
  execute = {
    reporter = {
      update = function(n)
        local case = MiniTest.current.all_cases[n]
        local state = case.exec and case.exec.state or ""
        if state:find("^Pass") then
          passed = passed + 1
          for _, note in ipairs(case.exec.notes) do
            say("note " .. table.concat(case.desc, " ") .. ": " .. note)
          end
        elseif state:find("^Fail") and not case.told then
          case.told = true
          failed = failed + 1
          say(
            "FAIL "
              .. vim.fs.basename(case.desc[1])
              .. " "
              .. table.concat(case.desc, " ", 2)
              .. " "
              .. vim.inspect(case.args)
          )
          local lines = vim.split(table.concat(case.exec.fails, "\n"), "\n")
          say(table.concat(vim.list_slice(lines, 1, 60), "\n"))
        end
      end,
      finish = function()
        say(("%d passed, %d failed"):format(passed, failed))
      end,
    },
  },
})
vim.wait(15 * 60 * 1000, function()
  return not MiniTest.is_executing()
end, 20)
os.exit((failed == 0 and passed > 0) and 0 or 1)
