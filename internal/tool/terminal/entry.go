package terminal

import (
	"runtime"

	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// Entry is the terminal's line in a registry. On Windows it gives no tool yet:
// an agent there works without one.
func Entry(opts Options) tool.Entry {
	return tool.Entry{Name: "terminal", Class: "TerminalTool", Aliases: []string{"BashTool", "bash"}, New: func(env tool.Env) ([]tool.Tool, error) {
		if runtime.GOOS == "windows" {
			return nil, nil
		}
		t, err := New(env, opts)
		if err != nil {
			return nil, err
		}
		return []tool.Tool{t}, nil
	}}
}
