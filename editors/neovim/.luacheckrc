std = "luajit"
read_globals = { "vim" }
max_line_length = 140
files["lua/agent_rpc/**"].globals = { "vim" }
files["plugin/**"].globals = { "vim" }
files["tests/**"] = { globals = { "vim", "MiniTest" }, max_line_length = 260 }
-- The fold knows no editor.
files["lua/agent_rpc/fold/**"] = { globals = {}, not_globals = { "vim" } }
