--- What is sent along with a message. The bar of the input shows all of it before
--- it is sent; nothing goes along that is not there.
local config = require("agent_rpc.config")
local window = require("agent_rpc.window")
local words = require("agent_rpc.fold.words")

local M = {}

---@class agent_rpc.Item
---@field name string as the bar shows it
---@field content table content of the protocol

---@param conversation agent_rpc.Conversation
---@return agent_rpc.Item[]
local function added(conversation)
  conversation.context = conversation.context or {}
  return conversation.context
end

local function path_of(buf)
  local name = vim.api.nvim_buf_get_name(buf)
  return vim.bo[buf].buftype == "" and name ~= "" and name or nil
end

local function short(conversation, path)
  return words.relative(conversation.folder, path)
end

-- The file that the user was in, unless it is there already.
local function current(conversation)
  if not config.get().context.current then
    return nil
  end
  local buf = window.file_buffer()
  local path = vim.api.nvim_buf_is_valid(buf) and path_of(buf)
  if not path or not vim.startswith(path, conversation.folder .. "/") then
    return nil
  end
  local uri = vim.uri_from_fname(path)
  for _, item in ipairs(added(conversation)) do
    if item.content.uri == uri then
      return nil
    end
  end
  return { name = short(conversation, path) .. " (current)", content = { type = "file", uri = uri } }
end

--- All that goes along with the next message.
---@param conversation agent_rpc.Conversation
---@return agent_rpc.Item[]
function M.items(conversation)
  local out = { current(conversation) }
  return vim.list_extend(out, added(conversation))
end

--- Their names, for the bar.
---@param conversation agent_rpc.Conversation
---@return string[]
function M.names(conversation)
  return vim.tbl_map(function(item)
    return item.name
  end, M.items(conversation))
end

--- Takes away what was added.
---@param conversation agent_rpc.Conversation
function M.clear(conversation)
  conversation.context = {}
end

local function add(conversation, item)
  for i, old in ipairs(added(conversation)) do
    if old.name == item.name then
      conversation.context[i] = item
      return
    end
  end
  table.insert(added(conversation), item)
end

--- Adds a file by its path.
---@param conversation agent_rpc.Conversation
---@param path string
function M.add_file(conversation, path)
  path = vim.fn.fnamemodify(path, ":p")
  add(conversation, { name = short(conversation, path), content = { type = "file", uri = vim.uri_from_fname(path) } })
end

--- Adds lines of a buffer, counted from 1 and inclusive.
---@param conversation agent_rpc.Conversation
---@param buf integer
---@param first integer
---@param last integer
---@return string? why not
function M.add_lines(conversation, buf, first, last)
  local path = path_of(buf)
  if not path then
    return "this buffer has no file"
  end
  local lines = vim.api.nvim_buf_get_lines(buf, first - 1, last, false)
  local range = {
    start = { line = first - 1, character = 0 },
    ["end"] = { line = last - 1, character = vim.str_utfindex(lines[#lines] or "") },
  }
  local place = first == last and first or ("%d-%d"):format(first, last)
  add(conversation, {
    name = ("%s:%s"):format(short(conversation, path), place),
    content = { type = "selection", uri = vim.uri_from_fname(path), range = range, text = table.concat(lines, "\n") },
  })
end

local function position(line, col)
  return { line = line, character = col }
end

--- Adds the diagnostics of a buffer.
---@param conversation agent_rpc.Conversation
---@param buf integer
---@return string? why not
function M.add_diagnostics(conversation, buf)
  local path, items = path_of(buf), {}
  for _, d in ipairs(vim.diagnostic.get(buf)) do
    items[#items + 1] = {
      range = { start = position(d.lnum, d.col), ["end"] = position(d.end_lnum or d.lnum, d.end_col or d.col) },
      severity = d.severity,
      source = d.source,
      code = d.code,
      message = d.message,
    }
  end
  if not path or #items == 0 then
    return "there are no diagnostics here"
  end
  add(conversation, {
    name = ("%d problem%s in %s"):format(#items, #items == 1 and "" or "s", short(conversation, path)),
    content = { type = "diagnostics", uri = vim.uri_from_fname(path), items = items },
  })
end

--- Adds the entries of the quickfix list, as text.
---@param conversation agent_rpc.Conversation
---@return string? why not
function M.add_quickfix(conversation)
  local list = vim.fn.getqflist({ items = 0, title = 0 })
  local lines = {}
  for _, item in ipairs(list.items) do
    if item.valid == 1 and item.bufnr > 0 then
      local path = short(conversation, vim.api.nvim_buf_get_name(item.bufnr))
      lines[#lines + 1] = ("%s:%d: %s"):format(path, item.lnum, vim.trim(item.text))
    end
  end
  if #lines == 0 then
    return "the quickfix list is empty"
  end
  local title = list.title ~= "" and list.title or "quickfix"
  add(conversation, {
    name = ("quickfix (%d)"):format(#lines),
    content = { type = "text", text = ("%s\n%s"):format(title, table.concat(lines, "\n")) },
  })
end

--- The content of a message: the text, the files that it names with @, and what
--- goes along.
---@param conversation agent_rpc.Conversation
---@param text string
---@return string|table[]
function M.message(conversation, text)
  local content, seen = { { type = "text", text = text } }, {}
  local function put(item)
    local key = item.type .. (item.uri or item.text or "") .. vim.inspect(item.range)
    if not seen[key] then
      seen[key] = true
      content[#content + 1] = item
    end
  end
  for _, item in ipairs(M.items(conversation)) do
    put(item.content)
  end
  for name in (" " .. text):gmatch("%s@(%S+)") do
    name = name:gsub("[.,;:!?)]+$", "")
    local path = vim.fs.normalize(vim.startswith(name, "/") and name or conversation.folder .. "/" .. name)
    if vim.uv.fs_stat(path) then
      put({ type = "file", uri = vim.uri_from_fname(path) })
    end
  end
  return #content == 1 and text or content
end

return M
