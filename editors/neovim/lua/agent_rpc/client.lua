--- The connection to the server: one process for this Neovim, started when it is
--- first needed, as an LSP client of Neovim's own.
local binary = require("agent_rpc.binary")
local config = require("agent_rpc.config")

local M = {}

local modern = vim.fn.has("nvim-0.11") == 1
local group = vim.api.nvim_create_augroup("agent_rpc.client", {})

---@type vim.lsp.Client?
local client
local waiting ---@type fun(err: string?)[]? those who wait for the start that goes on
local stopping = false
local starts = {} ---@type integer[] when it was started after a stop, in ms
local folders = {} ---@type table<string, true> workspace folders, by URI
local secrets = {} ---@type table<string, string> keys given for this Neovim

--- What the server said of itself and its version; nil before.
M.server = nil ---@type table?
--- How the last start or process ended, for health and the transcript.
M.failure = nil ---@type string?

--- Called with the method and the params of the server's notifications, and when
--- the connection has come or gone: filled by agent_rpc.conversation.
M.on_notification = function(_, _) end
M.on_gone = function(_, _) end
M.on_back = function() end

---@param uri string
local function folder(uri)
  return { uri = uri, name = vim.fs.basename(vim.uri_to_fname(uri)) }
end

-- Neovim says that a buffer has version 0 when it opens it, and its changedtick
-- from the first change on.
local opened = {} ---@type table<integer, integer> changedtick when it was opened, by buffer

local function stale(buf, version)
  local tick = vim.api.nvim_buf_get_changedtick(buf)
  return version ~= tick and not (version == 0 and opened[buf] == tick)
end

-- Applies edits of whole lines, from the last one on, so that marks and folds
-- around them stay; gives false, with nothing done, where one is of another kind.
local function apply_lines(buf, edits)
  local count = vim.api.nvim_buf_line_count(buf)
  for _, edit in ipairs(edits) do
    local from, to, text = edit.range.start, edit.range["end"], edit.newText
    local whole = from.character == 0 and to.character == 0 and (text == "" or text:sub(-1) == "\n")
    if not whole or to.line > count or (from.line == 0 and to.line == count and text == "") then
      return false
    end
  end
  edits = vim.deepcopy(edits)
  table.sort(edits, function(a, b)
    return a.range.start.line > b.range.start.line
  end)
  for _, edit in ipairs(edits) do
    local lines = vim.split(edit.newText:gsub("\r\n", "\n"), "\n", { plain = true })
    lines[#lines] = nil
    vim.api.nvim_buf_set_lines(buf, edit.range.start.line, edit.range["end"].line, false, lines)
  end
  return true
end

-- Applies a workspace edit; what is no edit of lines in an open buffer is done by Neovim.
local function apply(edit)
  local rest = {}
  for _, change in ipairs(edit.documentChanges or {}) do
    local buf = change.edits and vim.uri_to_bufnr(change.textDocument.uri)
    if not buf or not vim.api.nvim_buf_is_loaded(buf) or not apply_lines(buf, change.edits) then
      rest[#rest + 1] = change
    end
  end
  if #rest > 0 or edit.changes then
    local left = vim.tbl_extend("force", edit, { documentChanges = edit.documentChanges and rest })
    vim.lsp.util.apply_workspace_edit(left, client and client.offset_encoding or "utf-16")
  end
end

-- Neovim answers a stale version with success and without the edit, and the
-- server would wait for the change in vain.
local function apply_edit(params)
  local edit = params.edit or {}
  for _, change in ipairs(edit.documentChanges or {}) do
    local document = change.textDocument
    local version = document and document.version
    if version and version ~= vim.NIL then
      local buf = vim.uri_to_bufnr(document.uri)
      if not vim.api.nvim_buf_is_loaded(buf) then
        return { applied = false, failureReason = "the document is not open" }
      elseif not vim.bo[buf].modifiable then
        return { applied = false, failureReason = "the document can't be changed" }
      elseif stale(buf, version) then
        return { applied = false, failureReason = "the document has changed meanwhile" }
      end
    end
  end
  local ok, err = pcall(apply, edit)
  return { applied = ok, failureReason = not ok and tostring(err) or nil }
end

-- nil is not an answer for Neovim, vim.NIL is.
local function later()
  return vim.NIL
end

local function secret_value(params)
  local value = secrets[params.name]
  local ask = config.get().secret
  if not value and ask then
    local ok, given = pcall(ask, params.name)
    value = ok and given or nil
  end
  value = value or vim.env[params.name]
  return value and value ~= "" and { value = value } or vim.NIL
end

local function handlers()
  local out = {
    ["workspace/applyEdit"] = function(_, params)
      return apply_edit(params)
    end,
    ["conversation/requestConfirmation"] = later,
    ["conversation/requestInput"] = later,
    ["conversation/secretValue"] = function(_, params)
      return secret_value(params)
    end,
  }
  for _, name in ipairs({ "event", "delta", "stateChanged", "requestResolved", "gap", "listChanged" }) do
    local method = "conversation/" .. name
    out[method] = function(_, params)
      M.on_notification(method, params)
    end
  end
  return out
end

-- The file buffers inside the folders are shared, so that the server knows what
-- is not saved yet.
local function shareable(buf)
  if not vim.api.nvim_buf_is_loaded(buf) or vim.bo[buf].buftype ~= "" then
    return false
  end
  local name = vim.api.nvim_buf_get_name(buf)
  if name == "" or name:match("^%w+://") then
    return false
  end
  local uri = vim.uri_from_fname(name)
  for root in pairs(folders) do
    if vim.startswith(uri, root .. "/") then
      return true
    end
  end
  return false
end

local function share(buf)
  if not client or not shareable(buf) or vim.lsp.buf_is_attached(buf, client.id) then
    return
  end
  vim.lsp.buf_attach_client(buf, client.id)
  local watched = opened[buf] ~= nil
  opened[buf] = vim.api.nvim_buf_get_changedtick(buf)
  if not watched then
    vim.api.nvim_buf_attach(buf, false, {
      on_reload = function() -- it is closed and opened again
        opened[buf] = vim.api.nvim_buf_get_changedtick(buf)
      end,
      on_detach = function()
        opened[buf] = nil
      end,
    })
  end
end

local function share_all()
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    share(buf)
  end
end

local function initialized(started, version)
  client = started
  M.server, M.failure = version, nil
  vim.api.nvim_clear_autocmds({ group = group })
  vim.api.nvim_create_autocmd({ "BufReadPost", "BufNewFile", "BufFilePost", "BufWritePost" }, {
    group = group,
    desc = "share file buffers with agent-rpc",
    callback = function(event)
      share(event.buf)
    end,
  })
  share_all()
end

-- At most 5 times in 3 minutes, so that what can't run does not run in a circle.
local function may_restart()
  local now = vim.uv.now()
  starts = vim.tbl_filter(function(at)
    return now - at < 180000
  end, starts)
  if not config.get().auto_restart or #starts >= 5 then
    return false
  end
  starts[#starts + 1] = now
  return true
end

local function answer(err)
  local list = waiting or {}
  waiting = nil
  for _, done in ipairs(list) do
    done(err)
  end
end

local function exited(code, signal)
  local was_up = client ~= nil
  client = nil
  local how = signal ~= 0 and "signal " .. signal or "exit " .. code
  M.failure = not stopping and ("the server stopped (%s)"):format(how) or nil
  if not was_up then
    answer(("%s; :checkhealth agent_rpc"):format(M.failure or "the server stopped"))
  elseif not stopping then
    local again = may_restart()
    M.on_gone(how, again)
    if again then
      M.ensure(function(err)
        if not err then
          M.on_back()
        end
      end)
    end
  end
  stopping = false
end

local function start(found, version)
  local options = config.get()
  local settings = {
    name = "agent_rpc",
    cmd = found.cmd,
    cmd_env = options.env,
    root_dir = vim.uri_to_fname((next(folders))),
    workspace_folders = vim.tbl_map(folder, vim.tbl_keys(folders)),
    flags = { debounce_text_changes = 0, exit_timeout = 2000 },
    handlers = handlers(),
    capabilities = vim.lsp.protocol.make_client_capabilities(),
    init_options = {
      agentRpc = {
        versions = { binary.protocol },
        deltas = { maxHz = 12 },
        confirmation = true,
        input = true,
        secrets = true,
        settings = next(options.settings) and options.settings or nil,
      },
    },
    on_init = function(started)
      initialized(started, version)
      answer()
    end,
    on_exit = function(code, signal)
      vim.schedule(function()
        exited(code, signal)
      end)
    end,
  }
  local id
  if modern then
    id = vim.lsp.start(settings, {
      attach = false,
      silent = true,
      reuse_client = function()
        return false
      end,
    })
  else
    id = vim.lsp.start_client(settings)
  end
  if not id then
    answer(("%s could not be started"):format(found.cmd[1]))
  end
end

--- Calls done when the server is there, or with what is wrong.
---@param done fun(err: string?)
function M.ensure(done)
  if client then
    return done()
  end
  if waiting then
    waiting[#waiting + 1] = done
    return
  end
  local found, why = binary.find()
  if not found then
    return done(why)
  end
  if not next(folders) then
    folders[vim.uri_from_fname(vim.fn.getcwd())] = true
  end
  waiting = { done }
  binary.check(found, function(version, wrong)
    if wrong then
      M.failure = wrong
      return answer(wrong)
    end
    start(found, version)
  end)
end

--- Makes a folder one of the editor's, so that conversations may be held there.
---@param path string
function M.add_folder(path)
  local uri = vim.uri_from_fname(path)
  if folders[uri] then
    return
  end
  folders[uri] = true
  if client then
    M.notify("workspace/didChangeWorkspaceFolders", { event = { added = { folder(uri) }, removed = {} } })
    share_all()
  end
end

---@param method string
---@param params table
function M.notify(method, params)
  if modern then
    client:notify(method, params)
  else
    client.notify(method, params)
  end
end

--- Sends a request, starting the server where it is not there.
---@param method string
---@param params table
---@param done? fun(err: { message: string, code: integer?, data: table? }?, result: any)
function M.request(method, params, done)
  done = done or function(err)
    if err then
      M.tell(err.message)
    end
  end
  M.ensure(function(why)
    if why then
      return done({ message = why })
    end
    local function reply(err, result)
      done(err, result)
    end
    local sent
    if modern then
      sent = client:request(method, params, reply)
    else
      sent = client.request(method, params, reply)
    end
    if not sent then
      done({ message = "the server is not there any more" })
    end
  end)
end

--- A message to the user.
---@param text string
---@param level integer?
function M.tell(text, level)
  vim.notify("agent-rpc: " .. text, level or vim.log.levels.ERROR)
end

--- Keeps a key until this Neovim ends, in memory only.
---@param name string
---@param value string
function M.set_secret(name, value)
  secrets[name] = value ~= "" and value or nil
end

--- Tells whether the server runs.
---@return boolean
function M.running()
  return client ~= nil
end

---@return vim.lsp.Client?
function M.lsp()
  return client
end

--- Ends the server in order; done is called when it is gone.
---@param done? fun()
function M.stop(done)
  if not client then
    return done and done()
  end
  local lsp = client
  stopping = true
  if modern then
    lsp:stop()
  else
    lsp.stop()
  end
  if done then
    local timer = assert(vim.uv.new_timer())
    timer:start(
      20,
      20,
      vim.schedule_wrap(function()
        if not client and not timer:is_closing() then
          timer:close()
          done()
        end
      end)
    )
  end
end

return M
