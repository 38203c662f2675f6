package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The example clients are what a reader copies: they run, against the binary.
func TestExampleClients(t *testing.T) {
	for _, example := range []struct {
		file, runtime string
	}{
		{"minimal_client.py", "python3"},
		{"minimal_client.mjs", "node"},
	} {
		t.Run(example.file, func(t *testing.T) {
			program, err := exec.LookPath(example.runtime)
			if err != nil {
				t.Skipf("%s is not installed, so its example can't run", example.runtime)
			}
			file, err := filepath.Abs(filepath.Join("..", "..", "examples", example.file))
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, file, "Fix it", binary(t))
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "PEER=finish", "GORACE=atexit_sleep_ms=0", "HOME="+t.TempDir())
			cmd.Stderr = os.Stderr
			got, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			want := "MessageEvent \nActionEvent go test ./...\nObservationEvent go test ./...\nMessageEvent \nended: finished\n"
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}
