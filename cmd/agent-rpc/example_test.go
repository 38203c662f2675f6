package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
			model := filepath.Join(t.TempDir(), "model.script")
			if err := os.WriteFile(model, []byte(`{"calls": [{"terminal": {"command": "echo hello", "security_risk": "LOW", "summary": "Greet"}}]} "Hello."`), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, file, "Fix it", binary(t))
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "LLM_MODEL=scripted/"+model, "GORACE=atexit_sleep_ms=0", "HOME="+t.TempDir())
			cmd.Stderr = os.Stderr
			got, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			want := "SystemPromptEvent\nMessageEvent\nActionEvent Run echo hello\nObservationEvent Run echo hello\nMessageEvent\nended: finished\n"
			if diff := cmp.Diff(want, trailing.ReplaceAllString(string(got), "\n")); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

// trailing matches the blank where an event has no title.
var trailing = regexp.MustCompile(` +\n`)
