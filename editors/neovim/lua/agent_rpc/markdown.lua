--- Highlights one finished block of markdown with Neovim's own parsers. Nothing is
--- parsed again when the transcript grows.
local M = {}

local ns = vim.api.nvim_create_namespace("agent_rpc")

--- Above this size a block stays plain.
local limit = 64 * 1024

---@param buf integer
---@param line integer where the block begins, from 0
---@param text string
function M.light(buf, line, text)
  if #text > limit or not pcall(vim.treesitter.language.add, "markdown") then
    return
  end
  local ok, parser = pcall(vim.treesitter.get_string_parser, text, "markdown")
  if not ok then
    return
  end
  parser:parse(true)
  parser:for_each_tree(function(tree, language)
    local lang = language:lang()
    local query = vim.treesitter.query.get(lang, "highlights")
    if not query then
      return
    end
    for id, node, metadata in query:iter_captures(tree:root(), text, 0, -1) do
      local name = query.captures[id]
      if name:sub(1, 1) ~= "_" and name ~= "spell" and name ~= "nospell" and name ~= "conceal" then
        local from, from_col, to, to_col = node:range()
        vim.api.nvim_buf_set_extmark(buf, ns, line + from, from_col, {
          end_row = line + to,
          end_col = to_col,
          hl_group = ("@%s.%s"):format(name, lang),
          priority = tonumber(metadata.priority) or 100,
          strict = false,
        })
      end
    end
  end)
end

return M
