--- What a run has changed: a quickfix list and native diffs.
local client = require("agent_rpc.client")
local words = require("agent_rpc.fold.words")

local M = {}

local function scratch(name, text, filetype)
  local buf = vim.api.nvim_create_buf(false, true)
  vim.bo[buf].bufhidden = "wipe"
  vim.bo[buf].swapfile = false
  vim.api.nvim_buf_set_lines(buf, 0, -1, false, vim.split((text:gsub("\n$", "")), "\n", { plain = true }))
  vim.bo[buf].modifiable = false
  pcall(vim.api.nvim_buf_set_name, buf, name)
  vim.bo[buf].filetype = filetype or ""
  return buf
end

-- Two buffers side by side in a tab of their own.
local function side_by_side(left, right)
  vim.cmd("tab split")
  vim.api.nvim_win_set_buf(0, right)
  vim.cmd("diffthis")
  vim.cmd("leftabove vsplit")
  vim.api.nvim_win_set_buf(0, left)
  vim.cmd("diffthis")
  vim.cmd("wincmd l")
end

--- Shows a diff of the protocol in a tab.
---@param d { path: string, oldText: string?, newText: string }
function M.show_diff(d)
  local filetype = vim.filetype.match({ filename = d.path, contents = vim.split(d.newText, "\n") })
  local left = scratch("agent-rpc://before/" .. d.path, d.oldText or "", filetype)
  local right = scratch("agent-rpc://after/" .. d.path, d.newText, filetype)
  side_by_side(left, right)
end

--- Compares the current file with what it was before the agent.
---@param conversation agent_rpc.Conversation
---@param path string? absolute; that of the current buffer if absent
function M.diff(conversation, path)
  path = path or vim.api.nvim_buf_get_name(require("agent_rpc.window").file_buffer())
  if path == "" then
    return client.tell("this buffer has no file", vim.log.levels.WARN)
  end
  conversation:request("baseline", { uri = vim.uri_from_fname(path) }, function(err, result)
    if err then
      return client.tell(err.message)
    elseif result.binary then
      return client.tell("it was no text", vim.log.levels.INFO)
    end
    local buf = vim.fn.bufadd(path)
    vim.fn.bufload(buf)
    local left =
      scratch("agent-rpc://before/" .. path, result.text or "", vim.filetype.match({ buf = buf, filename = path }))
    side_by_side(left, buf)
  end)
end

local list -- the quickfix list that is ours: { id, conversation, hunks }

-- The first line that a hunk adds, else the first that it takes away.
local function gist(hunk)
  local removed
  for _, line in ipairs(words.lines(hunk.text or "")) do
    local mark, text = line:match("^([+-])(.*)$")
    if mark == "+" and words.trim(text) ~= "" then
      return words.trim(text)
    elseif mark == "-" and not removed then
      removed = words.trim(text)
    end
  end
  return removed or ""
end

local function count(hunk)
  local added, removed = 0, 0
  for _, line in ipairs(words.lines(hunk.text or "")) do
    local mark = line:sub(1, 1)
    added = added + (mark == "+" and 1 or 0)
    removed = removed + (mark == "-" and 1 or 0)
  end
  return added, removed
end

local function items_of(files)
  local items, hunks = {}, {}
  local function put(file, hunk, lnum, text)
    items[#items + 1] =
      { filename = vim.uri_to_fname(file.uri), lnum = math.max(lnum, 1), col = 1, text = text, user_data = #items + 1 }
    hunks[#items] = { file = file, hunk = hunk }
  end
  for _, file in ipairs(files) do
    if #(file.hunks or {}) == 0 then
      put(file, nil, 1, ("%-8s %s"):format("", file.binary and "binary, " .. file.status or file.status))
    end
    for _, hunk in ipairs(file.hunks or {}) do
      local added, removed = count(hunk)
      put(file, hunk, hunk.newStart, ("%-8s +%d -%d   %s"):format("", added, removed, gist(hunk)))
    end
  end
  return items, hunks
end

local function title(conversation, items, files)
  return ("[Agent changes: %s] %d hunk%s in %d file%s"):format(
    conversation:title(),
    #items,
    #items == 1 and "" or "s",
    #files,
    #files == 1 and "" or "s"
  )
end

-- Says what became of an entry, in place.
local function say(index, state)
  local what = vim.fn.getqflist({ id = list.id, items = 0, idx = 0 })
  for _, item in ipairs(what.items) do
    if item.user_data == index then
      item.text = ("%-8s "):format(state) .. item.text:sub(10)
    end
  end
  vim.fn.setqflist({}, "r", { id = list.id, items = what.items, idx = what.idx })
end

-- What is taken back in a buffer that had nothing unsaved is saved too, so that
-- the disk is what it was. Gives what is to be called afterwards.
local function saving(uri)
  local clean = {}
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buf) and vim.bo[buf].buftype == "" and not vim.bo[buf].modified then
      if not uri or vim.uri_from_bufnr(buf) == uri then
        clean[#clean + 1] = buf
      end
    end
  end
  return function()
    for _, buf in ipairs(clean) do
      if vim.api.nvim_buf_is_loaded(buf) and vim.bo[buf].modified then
        vim.api.nvim_buf_call(buf, function()
          local ok, err = pcall(vim.cmd, "silent noautocmd write")
          if not ok then
            client.tell(("%s could not be saved: %s"):format(vim.api.nvim_buf_get_name(buf), err))
          end
        end)
      end
    end
    vim.cmd("silent! checktime")
  end
end

local function decide(method, state, whole_file)
  local item = vim.fn.getqflist({ id = list.id, items = 0 }).items[vim.fn.line(".")]
  local it = item and list.hunks[item.user_data]
  if not it then
    return
  end
  local params = { uri = it.file.uri }
  if it.hunk and not whole_file then
    params.hunks = { it.hunk.id }
  end
  local indices = {}
  for index, other in ipairs(list.hunks) do
    if index == item.user_data or (whole_file and other.file.uri == it.file.uri) then
      indices[#indices + 1] = index
    end
  end
  local save = method == "undoChanges" and saving(it.file.uri) or function() end
  list.conversation:request(method, params, function(err, result)
    save()
    if err then
      return client.tell(err.message)
    end
    if result and #(result.conflicts or {}) > 0 then
      state = "changed"
      client.tell("it has been changed since, so it stays", vim.log.levels.WARN)
    end
    for _, index in ipairs(indices) do
      say(index, state)
    end
  end)
end

local function maps(buf)
  local function map(lhs, desc, rhs)
    vim.keymap.set("n", lhs, rhs, { buffer = buf, nowait = true, desc = desc })
  end
  map("a", "keep the hunk", function()
    decide("keepChanges", "kept")
  end)
  map("x", "undo the hunk", function()
    decide("undoChanges", "undone")
  end)
  map("gA", "keep the file", function()
    decide("keepChanges", "kept", true)
  end)
  map("gX", "undo the file", function()
    decide("undoChanges", "undone", true)
  end)
  map("d", "compare the file with what it was", function()
    local item = vim.fn.getqflist({ id = list.id, items = 0 }).items[vim.fn.line(".")]
    local it = item and list.hunks[item.user_data]
    if it then
      M.diff(list.conversation, vim.uri_to_fname(it.file.uri))
    end
  end)
  map("g?", "list these maps", function()
    require("agent_rpc.keys").help(buf)
  end)
end

--- Takes back all that nobody kept; asks first unless told not to.
---@param conversation agent_rpc.Conversation
---@param sure boolean
function M.undo_all(conversation, sure)
  local function undo()
    local save = saving()
    conversation:request("undoChanges", {}, function(err, result)
      save()
      if err then
        return client.tell(err.message)
      end
      local conflicts = #(result.conflicts or {})
      if conflicts > 0 then
        client.tell(("%d of it has been changed since, and stays"):format(conflicts), vim.log.levels.WARN)
      end
    end)
  end
  if sure then
    return undo()
  end
  local n = (conversation:info().changes or {}).files or 0
  vim.ui.select({ "keep", "undo" }, { prompt = ("Take back all changes, in %d files?"):format(n) }, function(choice)
    if choice == "undo" then
      undo()
    end
  end)
end

--- Lists the changes in the quickfix window.
---@param conversation agent_rpc.Conversation
---@param since string? "kept" (the default) or "run"
function M.list(conversation, since)
  conversation:request("changes", { since = since ~= "" and since or nil }, function(err, result)
    if err then
      return client.tell(err.message)
    end
    local items, hunks = items_of(result.files)
    if #items == 0 then
      return client.tell("nothing has changed", vim.log.levels.INFO)
    end
    vim.fn.setqflist({}, " ", { items = items, title = title(conversation, items, result.files) })
    list = { id = vim.fn.getqflist({ id = 0 }).id, conversation = conversation, hunks = hunks }
    vim.cmd("botright copen")
    maps(vim.api.nvim_get_current_buf())
  end)
end

return M
