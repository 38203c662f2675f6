//go:build linux

package terminal

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/agent-rpc/agent-rpc/internal/tool"
)

const orphanVariable = "TERMINAL_TEST_ORPHAN"

func TestMain(m *testing.M) {
	if os.Getenv(orphanVariable) != "" {
		orphan()
		return
	}
	goleak.VerifyTestMain(m)
}

// orphan is the other program of TestKilledServer: it runs a command with a
// terminal and waits to be killed.
func orphan() {
	tl, err := newTerminal(os.TempDir(), tool.Env{}, Options{Environ: []string{"HOME=/nowhere", "PATH=" + os.Getenv("PATH")}})
	if err != nil {
		panic(err)
	}
	action, err := tl.Decode(json.RawMessage(`{"command":"sleep 100 & sh -c \"echo job $! shell $$; exec sleep 100\""}`))
	if err != nil {
		panic(err)
	}
	_, err = tl.Run(context.Background(), tool.Call{Action: action, Output: func(text string) { fmt.Print(text) }})
	panic(err)
}

// A server that is killed leaves no shell and no job behind.
func TestKilledServer(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), orphanVariable+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var job, shell int
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) == 4 && words[0] == "job" {
			job, _ = strconv.Atoi(words[1])   // zero is seen below
			shell, _ = strconv.Atoi(words[3]) // as above
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if job == 0 || shell == 0 {
		t.Fatalf("job %d, shell %d", job, shell)
	}
	eventually(t, "the end of the shell and its jobs", func() bool {
		return isGone(job) && isGone(shell) && len(sessionOf(t, shell)) == 0
	})
}
