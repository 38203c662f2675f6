package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/agent-rpc/agent-rpc/internal/mcp/mcptest"
)

var update = flag.Bool("update", false, "rewrite what scripts expect")

// hooks run in the program before its main.
var hooks []func()

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"agent-rpc": func() {
		usePeer()
		for _, hook := range hooks {
			hook()
		}
		main()
	}, "mcp-server": func() { // MODE: a server of MCP for the tests
		if err := os.Setenv(mcptest.Variable, os.Args[1]); err != nil {
			panic(err)
		}
		mcptest.Main()
	}})
}

// TestScripts runs the binary as a user or a script would. The ones in peer play
// against a peer, which can do what a server does only when things go wrong; the
// ones in serve have the real server.
func TestScripts(t *testing.T) {
	for _, dir := range []string{"peer", "serve"} {
		t.Run(dir, func(t *testing.T) {
			testscript.Run(t, testscript.Params{Dir: "testdata/script/" + dir, UpdateScripts: *update, Setup: func(env *testscript.Env) error {
				env.Setenv("HOME", env.WorkDir+"/home")
				env.Setenv("TZ", "UTC")
				env.Setenv("GORACE", "atexit_sleep_ms=0")
				return nil
			}, Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits, "glob": glob}})
		})
	}
}

// exits runs a command and compares its exit code: exits 3 agent-rpc run x
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		code = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got := strconv.Itoa(code); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// glob counts the files of a pattern: glob 1 tmp/*.go
func glob(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: glob COUNT PATTERN")
	}
	found, err := filepath.Glob(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := strconv.Itoa(len(found)); got != args[0] {
		ts.Fatalf("%s files match %s, want %s", got, args[1], args[0])
	}
}

// binary is this test's own binary under the name of the program.
func binary(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("agent-rpc")
	if err != nil {
		t.Fatal(err)
	}
	return path
}
