--- The look: highlight groups and signs. All groups are links that a colour
--- scheme may set; nothing here is a colour.
local config = require("agent_rpc.config")

local M = {}

M.groups = {
  Title = "Title",
  Meta = "Comment",
  Muted = "Comment",
  You = "Function",
  YouLine = "CursorLine",
  Chip = "Tag",
  Thinking = "Comment",
  Verb = "Statement",
  Object = "Directory",
  Command = "String",
  Rail = "LineNr",
  Running = "DiagnosticInfo",
  Done = "DiagnosticOk",
  Failed = "DiagnosticError",
  Warn = "DiagnosticWarn",
  Queued = "DiagnosticHint",
  Ask = "DiagnosticWarn",
  AskLine = "CursorLine",
  RiskHigh = "DiagnosticError",
  RiskMedium = "DiagnosticWarn",
  RiskLow = "Comment",
  RiskPart = "DiagnosticUnderlineError",
  Added = "Added",
  Removed = "Removed",
  DiffAdd = "DiffAdd",
  DiffDelete = "DiffDelete",
  Note = "DiagnosticInfo",
  Hint = "Comment",
  Key = "Special",
  Action = "Underlined",
}

local function link()
  for name, to in pairs(M.groups) do
    vim.api.nvim_set_hl(0, "AgentRpc" .. name, { link = to, default = true })
  end
end

local linked = false

--- Defines the groups, and again after each change of the colour scheme.
function M.setup()
  if linked then
    return
  end
  linked = true
  link()
  vim.api.nvim_create_autocmd("ColorScheme", {
    group = vim.api.nvim_create_augroup("agent_rpc.look", {}),
    callback = link,
  })
end

local signs = {
  you = { ">", ">" },
  running = { "●", "*" },
  done = { "✓", "+" },
  failed = { "✗", "x" },
  ask = { "?", "?" },
  warn = { "!", "!" },
  stopped = { "■", "#" },
  open = { "○", "o" },
  bar = { "┃", "|" },
  rail = { "│ ", "| " },
}
local spinner = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏" }

local plain ---@type boolean? what the options say, for as long as nothing else can run

--- The plain signs are for terminals that lack the others or show them twice as wide.
function M.plain()
  if plain == nil then
    plain = config.get().ascii or vim.o.ambiwidth == "double"
    vim.schedule(function()
      plain = nil
    end)
  end
  return plain
end

---@param name string
function M.sign(name)
  return signs[name][M.plain() and 2 or 1]
end

--- The sign of something that runs, at a tick of the clock.
---@param tick integer
function M.spin(tick)
  if M.plain() then
    return (("|/-\\"):sub(tick % 4 + 1, tick % 4 + 1))
  end
  return spinner[tick % #spinner + 1]
end

return M
