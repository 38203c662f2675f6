--- :AgentRpc and its sub-commands.
local M = {}

local function conversations()
  return require("agent_rpc.conversation")
end

local function tell(text)
  require("agent_rpc.client").tell(text, vim.log.levels.WARN)
end

-- Calls act with the current conversation, or says that there is none.
local function with(act)
  return function(args, command)
    local conversation = conversations().current()
    if not conversation then
      return tell("no conversation is open: :AgentRpc new or :AgentRpc history")
    end
    act(conversation, args, command)
  end
end

-- The same, making a conversation where there is none.
local function with_or_new(act)
  return function(args, command)
    local conversation = conversations().current()
    if conversation then
      return act(conversation, args, command)
    end
    conversations().new(nil, function(made)
      act(made, args, command)
    end)
  end
end

---@class agent_rpc.Sub
---@field desc string
---@field args string?
---@field run fun(args: string, command: table)
---@field complete? string[]|fun(): string[]

---@type table<string, agent_rpc.Sub>
M.subs = {}

M.subs.open = {
  desc = "show the conversation that was shown last, or a new one",
  run = with_or_new(function(conversation)
    conversations().show(conversation)
  end),
}

M.subs.new = {
  desc = "a new conversation, in FOLDER or in the one of the current file",
  args = "[FOLDER]",
  complete = function()
    return vim.fn.getcompletion("", "dir")
  end,
  run = function(args)
    local folder
    if args ~= "" then
      folder = vim.fn.fnamemodify(vim.fn.expand(args), ":p"):gsub("(.)/$", "%1")
      if vim.fn.isdirectory(folder) == 0 then
        return tell(folder .. " is not a folder")
      end
    end
    conversations().new(folder)
  end,
}

M.subs.send = {
  desc = "send TEXT; while a run goes on it waits for its end",
  args = "TEXT",
  run = with_or_new(function(conversation, args)
    if args == "" then
      return tell("what should be sent? :AgentRpc send TEXT")
    end
    conversation:send(require("agent_rpc.context").message(conversation, args), "queue", function(err)
      if not err then
        require("agent_rpc.context").clear(conversation)
      end
    end)
  end),
}

M.subs.steer = {
  desc = "send TEXT so that the run reads it before its next step",
  args = "TEXT",
  run = with(function(conversation, args)
    if args == "" then
      return tell("what should be sent? :AgentRpc steer TEXT")
    end
    conversation:send(args, "steer")
  end),
}

M.subs.stop = {
  desc = "stop the run now, with all that it started",
  run = with(function(conversation)
    conversation.stopping = true
    require("agent_rpc.window").refresh(conversation)
    conversation:request("interrupt", {}, function(err)
      conversation.stopping = nil
      if err then
        conversations().explain(err)
      end
    end)
  end),
}

M.subs.pause = {
  desc = "stop the run before its next step",
  run = with(function(conversation)
    conversation:request("pause")
  end),
}

M.subs.resume = {
  desc = "go on; with a number of steps that is the new limit of a run",
  args = "[STEPS]",
  run = with(function(conversation, args)
    local function run()
      conversation:request("run", {}, function(err)
        if err then
          conversations().explain(err)
        end
      end)
    end
    if require("agent_rpc.approval").pending(conversation) then
      return tell("an approval waits: :AgentRpc approve or :AgentRpc reject")
    end
    local steps = tonumber(args)
    if args ~= "" and not (steps and steps > 0 and steps == math.floor(steps)) then
      return tell(("%q is not a number of steps"):format(args))
    elseif steps then
      return conversation:request("update", { maxIterationPerRun = steps }, run)
    end
    run()
  end),
}

M.subs.approve = {
  desc = "approve what waits",
  run = with(function(conversation)
    require("agent_rpc.approval").decide(conversation, "approve")
  end),
}

M.subs.reject = {
  desc = "reject what waits; with a REASON the agent reads it and goes on",
  args = "[REASON]",
  run = with(function(conversation, args)
    require("agent_rpc.approval").decide(conversation, "reject", args ~= "" and { reason = args } or nil)
  end),
}

M.subs.answer = {
  desc = "answer the question of a tool",
  run = with(function(conversation)
    require("agent_rpc.approval").answer(conversation, "accept")
  end),
}

M.subs.history = {
  desc = "pick a stored conversation; QUERY is looked for in title and folder",
  args = "[QUERY]",
  run = function(args)
    require("agent_rpc.pick").history(args)
  end,
}

M.subs.switch = {
  desc = "pick one of the open conversations",
  run = function()
    require("agent_rpc.pick").switch()
  end,
}

M.subs.rename = {
  desc = "give the conversation a TITLE; asks for one if absent",
  args = "[TITLE]",
  run = with(function(conversation, args)
    if args ~= "" then
      return conversation:request("update", { title = args })
    end
    vim.ui.input({ prompt = "Title: ", default = conversation:info().title }, function(title)
      if title then
        conversation:request("update", { title = title })
      end
    end)
  end),
}

M.subs.fork = {
  desc = "go on in a copy of the conversation",
  args = "[TITLE]",
  run = with(function(conversation, args)
    conversation:request("fork", { title = args ~= "" and args or nil }, function(err, result)
      if err then
        return conversations().explain(err)
      end
      conversations().open(result.conversation)
    end)
  end),
}

M.subs.rewind = {
  desc = "go back to before your message under the cursor, or the last one, and write it anew",
  run = with(function(conversation)
    local row
    if vim.api.nvim_get_current_buf() == conversation.transcript.buf then
      local entry = conversation.transcript:at(vim.api.nvim_win_get_cursor(0)[1] - 1)
      row = entry and entry.row.kind == "user" and entry.row
    end
    for i = #conversation.fold.rows, 1, -1 do
      row = row or conversation.fold.rows[i].kind == "user" and conversation.fold.rows[i] or nil
    end
    if not row then
      return tell("there is no message of yours")
    end
    conversation:rewind(row)
  end),
}

M.subs.keep = {
  desc = "keep all that the agent has changed",
  run = with(function(conversation)
    conversation:request("keepChanges")
  end),
}

M.subs.undo = {
  desc = "take back all that the agent has changed and nobody kept, with !",
  run = with(function(conversation, _, command)
    require("agent_rpc.changes").undo_all(conversation, command.bang)
  end),
}

M.subs.delete = {
  desc = "delete the conversation from the disk, with !; asks without",
  run = with(function(conversation, _, command)
    local function delete()
      conversation:request("delete", {}, function(err)
        if err then
          return conversations().explain(err)
        end
        require("agent_rpc.window").close(conversation)
        conversations().drop(conversation)
      end)
    end
    if command.bang then
      return delete()
    end
    vim.ui.select(
      { "keep", "delete" },
      { prompt = ("Delete %q for good?"):format(conversation:title()) },
      function(choice)
        if choice == "delete" then
          delete()
        end
      end
    )
  end),
}

M.subs.close = {
  desc = "close the windows of the conversation; a run goes on",
  run = with(function(conversation)
    require("agent_rpc.window").close(conversation)
  end),
}

M.subs.model = {
  desc = "use another MODEL (PROVIDER/NAME); pick one if absent",
  args = "[MODEL]",
  run = with_or_new(function(conversation, args)
    if args == "" then
      return require("agent_rpc.pick").model(conversation)
    end
    conversation:request("switchModel", { llm = { model = args } }, function(err)
      if err then
        conversations().explain(err)
      end
    end)
  end),
}

M.subs.policy = {
  desc = "when to ask: ask, risky or never; pick one if absent",
  args = "[POLICY]",
  complete = { "ask", "risky", "never" },
  run = with_or_new(function(conversation, args)
    if args == "" then
      return require("agent_rpc.pick").policy(conversation)
    end
    local policy = require("agent_rpc.config").policy(args)
    if not policy then
      return tell(("%q is no policy: ask, risky or never"):format(args))
    end
    conversation:request("setConfirmationPolicy", { policy = policy })
  end),
}

M.subs.budget = {
  desc = "what the conversation may cost, in USD; 0 for no limit",
  args = "USD",
  run = with(function(conversation, args)
    local usd = tonumber(args)
    if not usd or usd < 0 then
      return tell("how many dollars? :AgentRpc budget 5")
    end
    conversation:request("update", { maxBudgetPerRun = usd })
  end),
}

M.subs.condense = {
  desc = "let the model forget the older part of the history, for a summary",
  run = with(function(conversation)
    conversation:request("condense")
  end),
}

M.subs.ask = {
  desc = "ask a QUESTION beside the conversation, which it does not see",
  args = "QUESTION",
  run = with(function(conversation, args)
    if args == "" then
      return tell("what do you want to know? :AgentRpc ask QUESTION")
    end
    conversation:request("askAgent", { question = args }, function(err, result)
      if err then
        return conversations().explain(err)
      end
      vim.notify(result.answer)
    end)
  end),
}

M.subs.add = {
  desc = "send along: the file, a range of lines, diagnostics, quickfix, a FILE; clear",
  args = "[WHAT]",
  complete = { "file", "diagnostics", "quickfix", "clear" },
  run = with_or_new(function(conversation, args, command)
    local context = require("agent_rpc.context")
    local buf = command.buf
    local why
    if args == "clear" then
      context.clear(conversation)
    elseif args == "diagnostics" then
      why = context.add_diagnostics(conversation, buf)
    elseif args == "quickfix" then
      why = context.add_quickfix(conversation)
    elseif args ~= "" and args ~= "file" then
      context.add_file(conversation, vim.fn.expand(args))
    elseif command.range > 0 then
      why = context.add_lines(conversation, buf, command.line1, command.line2)
    elseif vim.bo[buf].buftype ~= "" or vim.api.nvim_buf_get_name(buf) == "" then
      why = "this buffer has no file"
    else
      context.add_file(conversation, vim.api.nvim_buf_get_name(buf))
    end
    if why then
      tell(why)
    end
    require("agent_rpc.input").hint(conversation)
  end),
}

M.subs.changes = {
  desc = "what the agent has changed, as a quickfix list with an entry for each hunk",
  args = "[kept|run]",
  complete = { "kept", "run" },
  run = with(function(conversation, args)
    require("agent_rpc.changes").list(conversation, args)
  end),
}

M.subs.diff = {
  desc = "compare the current file with what it was, in a tab",
  run = with(function(conversation)
    require("agent_rpc.changes").diff(conversation)
  end),
}

M.subs.key = {
  desc = "give a key for this Neovim; NAME is a variable such as ANTHROPIC_API_KEY",
  args = "[NAME]",
  run = function(args)
    local name = args ~= "" and args or "LLM_API_KEY"
    if not name:find("_") then
      name = name:upper() .. "_API_KEY"
    end
    local value = vim.fn.inputsecret(name .. ": ")
    require("agent_rpc.client").set_secret(name, vim.trim(value))
  end,
}

M.subs.root = {
  desc = "show the folder of the conversation",
  run = with(function(conversation)
    vim.notify(conversation.folder)
  end),
}

M.subs.log = {
  desc = "open Neovim's log of language servers, where the server's words are",
  run = function()
    local get = vim.lsp.log and vim.lsp.log.get_filename or vim.lsp.get_log_path
    vim.cmd.tabedit(vim.fn.fnameescape(get()))
  end,
}

M.subs.restart = {
  desc = "start the server again",
  run = function()
    local client = require("agent_rpc.client")
    for _, conversation in ipairs(conversations().list()) do
      conversation.server_gone = "restarting"
    end
    client.stop(function()
      client.ensure(function(err)
        if err then
          return client.tell(err)
        end
        client.on_back()
      end)
    end)
  end,
}

M.subs.health = {
  desc = "check the set-up",
  run = function()
    vim.cmd("checkhealth agent_rpc")
  end,
}

M.subs.help = {
  desc = "the manual",
  run = function()
    vim.cmd("help agent_rpc")
  end,
}

--- Runs a command as nvim_create_user_command gives it.
---@param command table
function M.run(command)
  local name, rest = command.args:match("^(%S*)%s*(.-)%s*$")
  name = name == "" and "open" or name
  local sub = M.subs[name]
  if not sub then
    return tell(("there is no sub-command %q: :AgentRpc <Tab>"):format(name))
  end
  command.buf = vim.api.nvim_get_current_buf()
  sub.run(rest, command)
end

--- Completes sub-commands and their arguments.
---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  local before = line:match("AgentRpc!?%s+(.*)$") or ""
  local name, more = before:match("^(%S+)%s+(.*)$")
  local from = vim.tbl_keys(M.subs)
  if name then
    local sub = M.subs[name]
    from = sub and sub.complete or {}
    from = type(from) == "function" and from() or from
    if more:find("%s") then
      return {}
    end
  end
  local out = vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, from)
  table.sort(out)
  return out
end

return M
