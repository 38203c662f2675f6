package tasktracker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/tooltest"
)

func TestSuite(t *testing.T) {
	tooltest.Run(t, tooltest.Suite{
		New: func(t *testing.T) tool.Tool { return New(t.TempDir()) },
		Args: []string{
			`{}`,
			`{"command":"view"}`,
			`{"command":"plan","task_list":[{"title":"a"},{"title":"b","notes":"n","status":"done"}]}`,
		},
	})
}

// call runs one call and gives the observation as it is stored.
func call(t *testing.T, made *Tool, args string) string {
	t.Helper()
	action, err := made.Decode(json.RawMessage(args))
	if err != nil {
		t.Fatal(err)
	}
	observation, err := made.Run(t.Context(), tool.Call{Action: action, Output: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	return string(observation)
}

const (
	plan     = `{"command":"plan","task_list":[{"title":"Read <it>","status":"done"},{"title":"Write","notes":"first\nsecond","status":"in_progress"},{"title":"Test"}]}`
	planList = `[{"title":"Read <it>","notes":"","status":"done"},{"title":"Write","notes":"first\nsecond","status":"in_progress"},{"title":"Test","notes":"","status":"todo"}]`
	shown    = "# Task List\\n\\n1. ✅ Read <it>\\n\\n2. 🔄 Write\\n   first\\n   second\\n\\n3. ⏳ Test\\n"
)

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got %s\nwant %s", what, got, want)
	}
}

func observation(text, command, list string) string {
	return `{"content":[{"cache_prompt":false,"type":"text","text":"` + text + `"}],"is_error":false,"command":"` + command + `","task_list":` + list + `,"kind":"TaskTrackerObservation"}`
}

func TestPlanAndView(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "conversation")
	made := New(dir)
	check(t, "nothing yet", call(t, made, `{}`), observation("There is no task list yet. Make one with the command plan.", "view", "[]"))
	check(t, "plan", call(t, made, plan), observation("The list was replaced; it has 3 tasks now.", "plan", planList))
	check(t, "view", call(t, made, `{"command":"view"}`), observation(shown, "view", planList))

	stored, err := os.ReadFile(filepath.Join(dir, "TASKS.json"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "[\n  {\n    \"title\": \"Read <it>\",\n    \"notes\": \"\",\n    \"status\": \"done\"\n  },"; !strings.HasPrefix(string(stored), want) {
		t.Errorf("stored %s", stored)
	}
	check(t, "after a restart", call(t, New(dir), `{}`), observation(shown, "view", planList))
	check(t, "emptied", call(t, made, `{"command":"plan"}`), observation("The list was replaced; it has 0 tasks now.", "plan", "[]"))
	check(t, "emptied after a restart", call(t, New(dir), `{"command":"plan","task_list":[{"title":"x"}]}`),
		observation("The list was replaced; it has 1 task now.", "plan", `[{"title":"x","notes":"","status":"todo"}]`))
}

func TestInMemory(t *testing.T) {
	made := New("")
	call(t, made, plan)
	check(t, "view", call(t, made, `{}`), observation(shown, "view", planList))
}

// A list that OpenHands wrote, with what Python escapes.
func TestStoredByOpenHands(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "TASKS.json"), []byte("[\n  {\n    \"title\": \"caf\\u00e9\",\n    \"notes\": \"\",\n    \"status\": \"done\"\n  }\n]"), 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, "view", call(t, New(dir), `{}`), observation("# Task List\\n\\n1. ✅ café\\n", "view", `[{"title":"café","notes":"","status":"done"}]`))
}

func TestUnreadableIsPutAside(t *testing.T) {
	for _, content := range []string{"", "{", "null", `{"a":1}`, `[1]`, `[{"title":"x","status":"later"}]`} {
		dir := t.TempDir()
		path := filepath.Join(dir, "TASKS.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		made := New(dir)
		if len(made.tasks) != 0 {
			t.Errorf("%q was read as %v", content, made.tasks)
		}
		call(t, made, plan)
		if content == "null" {
			continue // nothing is lost of it
		}
		if kept, err := os.ReadFile(path + ".unreadable"); err != nil || string(kept) != content {
			t.Errorf("%q was not kept: %q, %v", content, kept, err)
		}
	}
}

func TestSaveFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	made := New(file)
	if got := call(t, made, plan); !strings.Contains(got, "It could not be saved") || !strings.Contains(got, `"is_error":false`) || strings.Contains(got, file) {
		t.Error(got)
	}
}

func TestDescribe(t *testing.T) {
	made := New("")
	tests := []struct {
		action, observation string
		want                event.Display
	}{
		{plan, "", event.Display{Kind: "other", Title: "Plan", Status: "pending", Summary: "1 of 3 done"}},
		{`{"command":"view","task_list":[]}`, observation(shown, "view", planList), event.Display{Kind: "other", Title: "Plan", Status: "completed", Summary: "1 of 3 done"}},
		{`{"command":"view","task_list":[]}`, observation("", "view", "[]"), event.Display{Kind: "other", Title: "Plan", Status: "completed"}},
	}
	for _, tt := range tests {
		var o json.RawMessage
		if tt.observation != "" {
			o = json.RawMessage(tt.observation)
		}
		got := made.Describe(json.RawMessage(tt.action), o)
		if got.Kind != tt.want.Kind || got.Title != tt.want.Title || got.Status != tt.want.Status || got.Summary != tt.want.Summary {
			t.Errorf("got %+v, want %+v", got, tt.want)
		}
	}
}
