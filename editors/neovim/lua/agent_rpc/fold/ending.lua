--- How a run ended, in words.
local figures = require("agent_rpc.fold.figures")
local words = require("agent_rpc.fold.words")

local M = {}

---@class agent_rpc.Turn
---@field start integer? time stamp of its first event, in ms
---@field last integer? that of its last one
---@field steps integer answers of the model
---@field failure table? ConversationErrorEvent that ended it
---@field plan table? items of the plan

local from_status = { finished = "finished", error = "error", stuck = "stuck", paused = "paused" }

--- The reason why a conversation does not go on, as its state tells. Nothing
--- while it does, or where there is nothing to tell.
---@param info table
---@return string?
function M.reason(info)
  if from_status[info.status] then
    return info.stopReason or from_status[info.status]
  elseif info.status == "idle" and info.stopReason == "rejected" then
    return "rejected"
  end
end

local codes = { MaxIterationsReached = "max_iterations", MaxBudgetReached = "budget" }

--- The reason that an error event stands for.
---@param code string?
function M.of_code(code)
  return codes[code] or "error"
end

local texts = {
  finished = "Finished",
  paused = "Paused",
  interrupted = "Stopped by you",
  rejected = "Rejected by you",
  max_iterations = "Step limit reached",
  budget = "Budget reached",
}

--- Fills in the text, the facts and the details of an ending. Without a state,
--- which is for the last run alone, it says what the events tell.
---@param row agent_rpc.Row
---@param turn agent_rpc.Turn
---@param info table?
function M.tell(row, turn, info)
  local reason = row.reason
  local facts, details = {}, {}
  local elapsed = figures.elapsed((turn.last or 0) - (turn.start or turn.last or 0))
  local usage = info and figures.usage(info)
  local function fact(text)
    facts[#facts + 1] = text
  end
  local function cost()
    if usage then
      fact(figures.spent(usage))
    end
  end

  row.text = texts[reason]
  if reason == "finished" then
    fact(figures.plural(turn.steps, "step"))
    fact(elapsed)
    cost()
    if usage and usage.tokens > 0 then
      fact(figures.count(usage.tokens) .. " tokens")
    end
  elseif reason == "stuck" then
    local message = info and info.error and info.error.message or ""
    local why = words.first_line(message):gsub("%.$", "")
    row.text = "Stuck: " .. (why ~= "" and why or "it repeats itself without getting on")
    fact("step " .. turn.steps)
    cost()
  elseif reason == "max_iterations" then
    if info then
      fact(("%d of %d"):format(info.maxIterationPerRun or 0, info.maxIterationPerRun or 0))
    end
    fact(elapsed)
    cost()
    local open = 0
    for _, item in ipairs(turn.plan or {}) do
      open = open + (item.status == "done" and 0 or 1)
    end
    if open > 0 then
      details[1] = ("%d of %s %s open"):format(
        open,
        figures.plural(#turn.plan, "plan item"),
        #turn.plan == 1 and "is" or "are"
      )
    end
  elseif reason == "budget" then
    if usage then
      fact(("%s of %s"):format(figures.spent(usage), figures.cost(info.maxBudgetPerRun or 0)))
    end
    fact("step " .. turn.steps)
    fact(elapsed)
  elseif reason == "error" then
    local failure = turn.failure or {}
    local code, message, class = failure.code, failure.detail, failure.classification
    if not turn.failure and info and info.error then
      code, message, class = info.error.code, info.error.message, info.error.classification
    end
    local detail
    row.text, detail = words.explain(code, message, class)
    if detail ~= "" then
      details = words.lines(detail)
    end
  else
    row.text = row.text or "Ended: " .. reason
    fact("step " .. turn.steps)
    fact(elapsed)
    cost()
  end
  local changes = info and info.changes
  if changes and (changes.files or 0) > 0 then
    details[#details + 1] = ("%s changed, +%d -%d"):format(
      figures.plural(changes.files, "file"),
      changes.additions or 0,
      changes.deletions or 0
    )
  end
  row.facts, row.details = facts, details
end

return M
