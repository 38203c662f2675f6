//go:build !linux && !darwin

package terminal

import (
	"fmt"
	"runtime"

	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// New fails: there is no terminal for this system yet.
func New(tool.Env, Options) (tool.Tool, error) {
	name := runtime.GOOS
	if name == "windows" {
		name = "Windows"
	}
	return nil, fmt.Errorf("the terminal tool is not there yet on %s", name)
}
