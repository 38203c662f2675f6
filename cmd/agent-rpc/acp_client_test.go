//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestACPClient: the protocol's own TypeScript library holds a session with the
// program.
func TestACPClient(t *testing.T) {
	t.Parallel()
	rig := findACPRig()
	if rig.missing != "" {
		t.Skip(rig.missing)
	}
	p := newPlace(t, `
{"text": "I look.", "chunk": 3, "calls": [{"terminal": {"command": "echo hello > a.txt", "security_risk": "MEDIUM", "summary": "Write"}}]}
{"calls": [{"file_editor": {"command": "str_replace", "path": "${workspace}/a.txt", "old_str": "hello", "new_str": "bye", "security_risk": "LOW", "summary": "Edit"}}]}
{"calls": [{"finish": {"message": "Done."}}]}
{"text": "I begin", "wait": "forever"}
`)
	client, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", client+"/testdata/acp/client.mjs", rig.library, p.folder, binary(t), "acp")
	cmd.Env = []string{"GORACE=atexit_sleep_ms=0", "GOCOVERDIR=" + os.TempDir()}
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		cmd.Env = append(cmd.Env, name+"="+p.env[name])
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var seen struct {
		Version, Permissions, Exit int
		Stop, Cancelled            string
		Live, Replayed             []string
		Listed                     []bool
		Written                    map[string]string
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if seen.Version != 1 || seen.Stop != "end_turn" || seen.Cancelled != "cancelled" || seen.Permissions != 1 || seen.Exit != 0 || !slices.Equal(seen.Listed, []bool{true}) {
		t.Errorf("%s", out)
	}
	if seen.Written[p.folder+"/a.txt"] != "bye\n" {
		t.Errorf("written through the client: %q", seen.Written)
	}
	for _, kind := range []string{"agent_message_chunk", "tool_call", "tool_call_update", "available_commands_update"} {
		if !slices.Contains(seen.Live, kind) {
			t.Errorf("no %s", kind)
		}
	}
	if len(seen.Replayed) == 0 || seen.Replayed[0] != "user_message_chunk" {
		t.Errorf("replayed %s", strings.Join(seen.Replayed, " "))
	}
	if strings.Contains(stderr.String(), "DATA RACE") {
		t.Error(stderr.String())
	}
}
