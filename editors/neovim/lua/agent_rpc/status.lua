--- For 'statusline' and plugins that make one.
local M = {}

--- A short text about the current conversation: "● running 14 · $0.42". Empty
--- where there is none; it loads nothing by itself.
---@return string
function M.line()
  local loaded = package.loaded["agent_rpc.conversation"]
  local conversation = loaded and loaded.current()
  if not conversation then
    return ""
  end
  local figures = require("agent_rpc.fold.figures")
  local text, _, sign = require("agent_rpc.window").status(conversation)
  local steps = conversation.fold:steps()
  local words = { sign }
  if text ~= "" then
    words[#words + 1] = text
  end
  if steps > 0 then
    words[#words + 1] = tostring(steps)
  end
  return ("%s · %s"):format(table.concat(words, " "), figures.spent(figures.usage(conversation:info())))
end

--- How many conversations wait for you.
---@return integer
function M.pending()
  local loaded = package.loaded["agent_rpc.conversation"]
  local n = 0
  for _, conversation in ipairs(loaded and loaded.list() or {}) do
    n = n + (#(conversation:info().pending or {}) > 0 and 1 or 0)
  end
  return n
end

return M
