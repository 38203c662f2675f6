-- Recorded conversations, as rows: the same for every editor. With UPDATE=1 the
-- expected rows are written anew.
local Fold = require("agent_rpc.fold")

local T = MiniTest.new_set()
local folder = vim.fn.fnamemodify(vim.g.tests_root .. "/../../testdata/conversations", ":p")
local decode = function(text)
  return vim.json.decode(text, { luanil = { object = true, array = true } })
end

local fields = {}
for field in
  ("kind text streaming verb object status summary added removed took risk reason ask output context skills items facts details"):gmatch(
    "%a+"
  )
do
  fields[#fields + 1] = field
end

-- What the README of testdata says of a row, and nothing else.
local function shown(row)
  if row.hidden then
    return nil
  end
  local out = {}
  for _, field in ipairs(fields) do
    local value = row[field]
    if value ~= nil and value ~= "" and value ~= false and not (type(value) == "table" and next(value) == nil) then
      out[field] = value
    end
  end
  if out.ask then
    out.ask = { n = out.ask.n, of = out.ask.of, why = out.ask.why }
  end
  return out
end

local function rows_of(fold)
  local out = {}
  for _, rows in ipairs({ fold.rows, fold:tail() }) do
    for _, row in ipairs(rows) do
      out[#out + 1] = shown(row)
    end
  end
  return out
end

local function encode(value)
  if type(value) ~= "table" then
    return vim.json.encode(value):gsub("\\/", "/")
  elseif vim.islist(value) then
    return "[" .. table.concat(vim.tbl_map(encode, value), ", ") .. "]"
  end
  local parts = {}
  for _, key in ipairs(fields) do
    if value[key] ~= nil then
      parts[#parts + 1] = ('"%s": %s'):format(key, encode(value[key]))
    end
  end
  for _, key in ipairs({ "n", "of", "why", "title" }) do
    if value[key] ~= nil then
      parts[#parts + 1] = ('"%s": %s'):format(key, encode(value[key]))
    end
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local function messages(name)
  local out = {}
  for line in read(folder .. name .. ".jsonl"):gmatch("[^\n]+") do
    out[#out + 1] = decode(line)
  end
  return out
end

local function live(name)
  local fold
  for _, m in ipairs(messages(name)) do
    if m.method == "conversation/create" then
      fold = Fold.new(m.result.conversation)
    elseif m.method == "conversation/event" then
      fold:event(m.params)
    elseif m.method == "conversation/delta" then
      fold:delta(m.params)
    elseif m.method == "conversation/stateChanged" then
      fold:state(m.params)
    end
  end
  return fold
end

-- As `open` gives it: the newest state first, then the events.
local function replayed(name)
  local fold, state
  for _, m in ipairs(messages(name)) do
    state = m.method == "conversation/stateChanged" and m.params or state
  end
  fold = Fold.new(state)
  for _, m in ipairs(messages(name)) do
    if m.method == "conversation/event" then
      fold:event(m.params)
    end
  end
  return fold
end

T["recorded"] = MiniTest.new_set()
for name in vim.fs.dir(folder) do
  name = name:match("^(.*)%.jsonl$")
  if name then
    T["recorded"][name] = function()
      local rows = vim.tbl_map(encode, rows_of(live(name)))
      local text = "[\n  " .. table.concat(rows, ",\n  ") .. "\n]\n"
      local path = folder .. name .. ".rows.json"
      if vim.env.UPDATE then
        local file = assert(io.open(path, "w"))
        file:write(text)
        file:close()
      end
      MiniTest.expect.equality(text, read(path))
      MiniTest.expect.equality(rows_of(replayed(name)), decode(text))
    end
  end
end

return T
