-- Makes doc/agent_rpc.txt: prose that stands here, and lists from the sources.
local M = {}

local width = 78

local function wrap(text, indent, first)
  local lines, line = {}, first or (" "):rep(indent)
  local fresh = first == nil or first == ""
  for word in text:gmatch("%S+") do
    if not fresh and vim.fn.strdisplaywidth(line .. " " .. word) > width then
      lines[#lines + 1] = line
      line, fresh = (" "):rep(indent), true
    end
    line = line .. (fresh and "" or " ") .. word
    fresh = false
  end
  lines[#lines + 1] = line
  return lines
end

local function section(out, title, tag)
  tag = "*" .. tag .. "*"
  out[#out + 1] = ("="):rep(width)
  out[#out + 1] = title .. (" "):rep(math.max(width - #title - #tag, 1)) .. tag
  out[#out + 1] = ""
end

local function para(out, text)
  vim.list_extend(out, wrap(text, 0))
  out[#out + 1] = ""
end

local function code(out, lines)
  out[#out] = nil
  out[#out] = out[#out] .. " >"
  for _, line in ipairs(lines) do
    out[#out + 1] = line == "" and "" or "  " .. line
  end
  out[#out + 1] = "<"
end

local function item(out, name, text, column)
  local first = name .. (" "):rep(math.max(column - vim.fn.strdisplaywidth(name), 2))
  if vim.fn.strdisplaywidth(name) + 2 > column then
    out[#out + 1] = name
    return vim.list_extend(out, wrap(text, column))
  end
  local lines = wrap(text, column, first:sub(1, -2))
  vim.list_extend(out, lines)
end

local function maps_of(buf)
  local list, seen = {}, {}
  for _, mode in ipairs({ "n", "i" }) do
    for _, map in ipairs(vim.api.nvim_buf_get_keymap(buf, mode)) do
      local name = (mode == "i" and "i_" or "") .. map.lhs
      if map.desc and not seen[name .. map.desc] then
        seen[name .. map.desc] = true
        list[#list + 1] = { name, map.desc }
      end
    end
  end
  table.sort(list, function(a, b)
    return a[1]:lower() .. a[1] < b[1]:lower() .. b[1]
  end)
  return list
end

local function options()
  local source = vim.fn.readfile(vim.g.tests_root .. "/lua/agent_rpc/config.lua")
  local list = {}
  for _, line in ipairs(source) do
    local name, rest = line:match("^%-%-%-@field ([%w_]+)%?? (.*)$")
    if name then
      -- The type ends at the first space outside of brackets.
      local depth, at = 0, #rest + 1
      for i = 1, #rest do
        local c = rest:sub(i, i)
        depth = depth + (c:find("[{(<]") and 1 or c:find("[})>]") and -1 or 0)
        if c == " " and depth == 0 and not rest:sub(i - 1, i - 1):find("[,:]") then
          at = i
          break
        end
      end
      list[#list + 1] = { name, rest:sub(1, at - 1), rest:sub(at + 1) }
    end
  end
  return list
end

local function default(value)
  if value == nil then
    return "none"
  end
  return (vim.inspect(value):gsub("%s+", " "))
end

--- The lines of the manual.
---@return string[]
function M.lines()
  local command = require("agent_rpc.command")
  local config = require("agent_rpc.config")
  local conversations = require("agent_rpc.conversation")
  local look = require("agent_rpc.look")
  local out = { "*agent_rpc.txt*  The coding agent in Neovim", "" }

  section(out, "INTRODUCTION", "agent_rpc")
  para(
    out,
    "agent-rpc is a coding agent that works in the folder of your project: it reads and edits files, runs "
      .. "commands, and asks before what is risky. This plugin shows its conversations. It needs Neovim 0.10 "
      .. "and the program agent-rpc, and no other plugin. Nothing has to be called: `:AgentRpc` opens a "
      .. "conversation."
  )
  para(
    out,
    "The transcript is a buffer, so you search, yank and fold in it as anywhere. Below it is the input, a "
      .. "buffer as well: write a message and press <CR>. Nothing takes the focus from you, and nothing is "
      .. "loaded before you use it."
  )

  section(out, "SET-UP", "agent_rpc-setup")
  para(
    out,
    "The server is looked for in |vim.g.agent_rpc|.cmd, then $AGENT_RPC_BIN, then bin/ of the plugin, "
      .. "then $PATH. `:checkhealth agent_rpc` says what was found. A model is named by the environment "
      .. "(LLM_MODEL, or just a key such as ANTHROPIC_API_KEY), by the settings of agent-rpc, or by `:AgentRpc "
      .. "model`."
  )
  para(
    out,
    "Keys and secrets are never written to a file by this plugin. When the server needs one it asks, and "
      .. "gets it from what `:AgentRpc key` took for this Neovim, from the function |vim.g.agent_rpc|.secret, "
      .. "or from the environment:"
  )
  code(out, {
    "vim.g.agent_rpc = {",
    "  secret = function(name)",
    '    return vim.fn.system({ "pass", "show", name }):gsub("%s+$", "")',
    "  end,",
    "}",
  })
  out[#out + 1] = ""

  section(out, "COMMANDS", "agent_rpc-commands")
  out[#out + 1] = "*:AgentRpc*"
  out[#out + 1] = ":AgentRpc [SUB-COMMAND] [ARGUMENTS]    with completion; alone it is `open`"
  out[#out + 1] = ""
  local names = vim.tbl_keys(command.subs)
  table.sort(names)
  for _, name in ipairs(names) do
    local sub = command.subs[name]
    item(out, name .. (sub.args and " " .. sub.args or ""), sub.desc, 20)
  end
  out[#out + 1] = ""
  para(out, "A range of lines is for `add`: `:'<,'>AgentRpc add` sends the selection along with the next message.")
  para(out, "There are no maps outside of the plugin's own buffers. For your own there are")
  local plugs = vim.tbl_filter(function(map)
    return map.lhs:find("^<Plug>%(AgentRpc") ~= nil
  end, vim.api.nvim_get_keymap("n"))
  table.sort(plugs, function(a, b)
    return a.lhs < b.lhs
  end)
  for _, map in ipairs(plugs) do
    out[#out + 1] = "  " .. map.lhs .. (map.lhs:find("Add") and "    in normal and in visual mode" or "")
  end
  out[#out + 1] = ""

  section(out, "MAPS", "agent_rpc-maps")
  para(
    out,
    "In the transcript. A, X, R and gA act only on an approval under the cursor, gs and gu on a queued "
      .. "message; elsewhere they do what they do in any buffer."
  )
  local transcript = vim.api.nvim_create_buf(false, true)
  require("agent_rpc.keys").transcript({ transcript = { buf = transcript } })
  for _, map in ipairs(maps_of(transcript)) do
    item(out, map[1], map[2], 12)
  end
  out[#out + 1] = ""
  para(out, "In the input; i_ is a map of insert mode.")
  local input = require("agent_rpc.input").new({ id = "manual" })
  for _, map in ipairs(maps_of(input)) do
    item(out, map[1], map[2], 12)
  end
  out[#out + 1] = ""
  for _, buf in ipairs({ transcript, input }) do
    vim.api.nvim_buf_delete(buf, { force = true })
  end

  section(out, "WHAT GOES ALONG", "agent_rpc-context")
  para(
    out,
    "The bar below the input shows all that is sent along with a message: the current file, what "
      .. "`:AgentRpc add` has added (files, lines, diagnostics, the quickfix list), and nothing else. `@` "
      .. "completes a file of the folder, and a file that a message names with @ goes along too. `/` at the "
      .. "beginning completes a skill. What was added goes along once."
  )

  section(out, "APPROVALS", "agent_rpc-approvals")
  para(
    out,
    "What the policy holds back is a block in the transcript, with the whole command or the whole change, "
      .. "its risk, and the reason for the question. It takes no keys in its first half second. `A` approves, "
      .. "`X` rejects and ends the run, `R` asks for a reason that the agent reads, `gA` approves and "
      .. "remembers exactly this command in this folder. Several actions of one answer are decided together. "
      .. "Closing a window, a message, or leaving Neovim decides nothing: what waits, waits on."
  )

  section(out, "FILES AND CHANGES", "agent_rpc-changes")
  para(
    out,
    "A buffer with unsaved changes is edited in place, in one undo step, and the file on the disk is left "
      .. "alone. A buffer without follows the disk. Text that you have not saved is never overwritten: what "
      .. "does not fit any more is refused, and the agent is told."
  )
  para(
    out,
    "`:AgentRpc changes` lists what the agent has changed, whatever changed it, in the quickfix window, "
      .. "an entry for each hunk. Its maps: `a` keeps and `x` undoes a hunk, `gA` and `gX` a file, `d` "
      .. "compares the file with what it was, in a tab. `:AgentRpc keep` keeps all, `:AgentRpc! undo` takes "
      .. "all back. What you have changed since is never taken back."
  )

  section(out, "OPTIONS", "agent_rpc-options")
  out[#out + 1] = "*vim.g.agent_rpc*"
  para(
    out,
    "A table. It is read when it is needed, so a change holds at once. require('agent_rpc').setup({...}) does the same."
  )
  for _, option in ipairs(options()) do
    item(out, option[1], ("%s (%s; default %s)"):format(option[3], option[2], default(config.defaults[option[1]])), 16)
  end
  out[#out + 1] = ""

  section(out, "AUTOCOMMANDS", "agent_rpc-autocommands")
  para(out, "|User| autocommands, with what happened in `data`:")
  for _, auto in ipairs(conversations.autocommands) do
    item(out, "AgentRpc" .. auto[1], auto[2], 20)
  end
  out[#out + 1] = ""
  para(out, "For example, a bell when something waits for you:")
  code(out, {
    'vim.api.nvim_create_autocmd("User", {',
    '  pattern = "AgentRpcApproval",',
    "  callback = function()",
    '    io.write("\\a")',
    "  end,",
    "})",
  })
  out[#out + 1] = ""

  section(out, "STATUS LINE", "agent_rpc-statusline")
  para(
    out,
    "require('agent_rpc').statusline() is a short text about the current conversation, empty where there "
      .. "is none. require('agent_rpc').pending() is the number of conversations that wait for you."
  )
  code(out, { [[set statusline+=%{v:lua.require'agent_rpc'.statusline()}]] })
  out[#out + 1] = ""

  section(out, "HIGHLIGHT GROUPS", "agent_rpc-highlights")
  para(out, "All are links, so your colour scheme rules:")
  local groups = vim.tbl_keys(look.groups)
  table.sort(groups)
  for _, name in ipairs(groups) do
    item(out, "AgentRpc" .. name, look.groups[name], 24)
  end
  out[#out + 1] = ""
  out[#out + 1] = "vim:tw=78:ts=8:ft=help:norl:"
  return out
end

return M
