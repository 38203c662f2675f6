package scripted

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

const isUnix = runtime.GOOS != "windows"

// hands does what the tools of the demo would do, as far as it matters.
type hands struct {
	t       *testing.T
	dir     string
	refuse  bool     // commands of high risk
	asked   []string // for them
	tests   []int    // exit codes of the tests
	message string   // of finish
}

var toolArguments = map[string][]string{
	"terminal":     {"command", "is_input", "timeout", "reset"},
	"file_editor":  {"command", "path", "file_text", "old_str", "new_str", "insert_line", "view_range"},
	"task_tracker": {"command", "task_list"},
	"finish":       {"message"},
	"think":        {"thought"},
}

func (h *hands) do(call event.ToolCall) string {
	h.t.Helper()
	var args map[string]any
	if err := json.Unmarshal([]byte(call.Arguments), &args); err != nil {
		h.t.Fatalf("%s: %v", call.Name, err)
	}
	h.checkNames(call.Name, args)
	text := func(name string) string { s, _ := args[name].(string); return s }
	switch call.Name {
	case "terminal":
		if args["security_risk"] == "HIGH" {
			h.asked = append(h.asked, text("command"))
			if h.refuse {
				return "The user rejected the action."
			}
		}
		cmd := exec.Command("sh", "-c", text("command"))
		cmd.Dir = h.dir
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState == nil {
			h.t.Fatal(err)
		}
		if strings.Contains(text("command"), "slug_test.sh") {
			h.tests = append(h.tests, cmd.ProcessState.ExitCode())
		}
		return string(out)
	case "file_editor":
		path := text("path")
		if !strings.HasPrefix(path, h.dir) {
			h.t.Errorf("%s is not in the folder", path)
		}
		if path == h.dir {
			return path
		}
		data, err := os.ReadFile(filepath.FromSlash(path))
		if err != nil {
			return "The path " + path + " does not exist."
		}
		if text("command") == "str_replace" {
			if strings.Count(string(data), text("old_str")) != 1 {
				h.t.Errorf("old_str is not there once")
			}
			data = []byte(strings.Replace(string(data), text("old_str"), text("new_str"), 1))
			if err := os.WriteFile(path, data, 0o644); err != nil {
				h.t.Fatal(err)
			}
		}
		return string(data)
	case "finish":
		h.message = text("message")
	}
	return "ok"
}

func (h *hands) checkNames(tool string, args map[string]any) {
	h.t.Helper()
	known := append([]string{"security_risk", "summary"}, toolArguments[tool]...)
	for name := range args {
		if !strings.Contains(" "+strings.Join(known, " ")+" ", " "+name+" ") {
			h.t.Errorf("%s has no argument %s", tool, name)
		}
	}
	if summary, _ := args["summary"].(string); summary == "" {
		h.t.Errorf("a call of %s has no summary", tool)
	}
	if risk, _ := args["security_risk"].(string); risk == "" && tool != "finish" {
		h.t.Errorf("a call of %s has no security_risk", tool)
	}
}

// play runs the demo, without its delays, until it stops calling tools or
// finishes.
func (h *hands) play(task string) (steps int, last string) {
	h.t.Helper()
	m, err := Parse("demo", []byte(demoScript), Options{Workspace: h.dir})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, queue := range m.script.queues {
		for i := range queue {
			queue[i].latency, queue[i].delay = 0, 0
		}
	}
	c := chatWith(h.t, m, "demo")
	c.req.Messages = append(c.req.Messages, event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(task)}})
	for steps < 20 && h.message == "" {
		r, err := m.Complete(h.t.Context(), &c.req, nil)
		if err != nil {
			h.t.Fatal(err)
		}
		steps++
		c.req.Messages = append(c.req.Messages, r.Message)
		last = r.Message.Text()
		if len(r.Message.ToolCalls) == 0 {
			return steps, last
		}
		for _, call := range r.Message.ToolCalls {
			c.req.Messages = append(c.req.Messages, event.LLMMessage{Role: event.RoleTool, ToolCallID: call.ID, Content: []event.Content{event.Text(h.do(call))}})
		}
	}
	return steps, last
}

func TestDemo(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil || !isUnix {
		t.Skip("the demo needs sh")
	}
	for _, refuse := range []bool{false, true} {
		t.Run(fmt.Sprintf("refuse=%v", refuse), func(t *testing.T) {
			h := &hands{t: t, dir: t.TempDir(), refuse: refuse}
			for name, text := range DemoFiles() {
				path := filepath.Join(h.dir, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			steps, _ := h.play(DemoTask)
			if len(h.tests) != 2 || h.tests[0] != 1 || h.tests[1] != 0 {
				t.Errorf("the tests exit with %v, want 1, then 0", h.tests)
			}
			if len(h.asked) != 1 || h.asked[0] != "rm -rf ./slug-cache" {
				t.Errorf("asks for %q", h.asked)
			}
			if _, err := os.Stat(filepath.Join(h.dir, "slug-cache")); os.IsNotExist(err) == refuse {
				t.Errorf("the cache: %v", err)
			}
			if steps != 7 || !strings.Contains(h.message, "```sh") || strings.Contains(h.message, "I left `slug-cache/` alone") != refuse {
				t.Errorf("%d steps, message %q", steps, h.message)
			}
		})
	}
}

func TestDemoElsewhereTouchesNothing(t *testing.T) {
	h := &hands{t: t, dir: t.TempDir()}
	steps, last := h.play("hello")
	if steps != 3 || !strings.Contains(last, "agent-rpc demo") || len(h.asked)+len(h.tests) > 0 {
		t.Errorf("%d steps, %q", steps, last)
	}
}

func TestDemoIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := Open(llm.Config{Model: "scripted/demo"}, Options{Workspace: "/w"})
		if err != nil {
			t.Fatal(err)
		}
		c := chatWith(t, m, "demo")
		start := time.Now()
		for range 6 {
			c.step()
		}
		c.req.Messages = append(c.req.Messages, event.LLMMessage{Role: event.RoleTool, Content: []event.Content{event.Text("all 4 tests passed")}})
		c.step()
		if d := time.Since(start); d < 2*time.Second || d > 4500*time.Millisecond {
			t.Errorf("the model takes %v of the demo", d)
		}
		if got := c.step(); !strings.Contains(got, "whole demo") {
			t.Errorf("behind the end: %q", got)
		}
	})
}
