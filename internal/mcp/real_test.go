package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// The tests in this file hold us against servers from npm, which others wrote.
// scripts/rig-mcp provides them: `make test` has installed them by then; here they
// are only looked for. scripts/test-go knows the reasons of a skip.
func provided(t *testing.T) (where map[string]string) {
	t.Helper()
	out, err := exec.Command("../../scripts/rig-mcp", "--installed").Output()
	where = map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		where[name] = value
	}
	var failed *exec.ExitError
	switch {
	case err == nil:
		return where
	case errors.As(err, &failed) && where["reason"] != "":
		reason := where["reason"]
		if said := os.Getenv("MCP_SERVERS_MISSING"); said != "" {
			reason = said
		}
		t.Skip(reason)
	default:
		t.Skipf("scripts/rig-mcp does not run here: %v", err)
	}
	return nil
}

func TestRealFilesystem(t *testing.T) {
	where := provided(t)
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "a.txt"), []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// It is given no folder: it asks for our roots.
	s := open(t, Options{Workspace: root}, Config{Name: "files", Transport: stdio, Command: where["node"], Args: []string{where["filesystem"]}})
	until(t, "root that it knows", func() bool { return strings.Contains(said(run(t, s, "list_allowed_directories", `{}`)), root) })
	if !find(t, s, "read_text_file").Definition().ReadOnly() || find(t, s, "write_file").Definition().ReadOnly() {
		t.Error("its hints are not ours")
	}
	path := func(name string) string { return strings.ReplaceAll(filepath.Join(root, name), `\`, `\\`) }
	if o := run(t, s, "read_text_file", fmt.Sprintf(`{"path":"%s","head":1}`, path("a.txt"))); o.IsError || !strings.HasPrefix(said(o), "one") || strings.Contains(said(o), "two") {
		t.Errorf("read: %+v", o)
	}
	if o := run(t, s, "write_file", fmt.Sprintf(`{"path":"%s","content":"new"}`, path("b.txt"))); o.IsError {
		t.Errorf("write: %+v", o)
	}
	if raw, err := os.ReadFile(filepath.Join(root, "b.txt")); err != nil || string(raw) != "new" {
		t.Errorf("it wrote %q: %v", raw, err)
	}
	if o := run(t, s, "edit_file", fmt.Sprintf(`{"path":"%s","edits":[{"oldText":"new","newText":"newer"}]}`, path("b.txt"))); o.IsError || !strings.Contains(said(o), "+newer") {
		t.Errorf("edit: %+v", o)
	}
	if o := run(t, s, "read_text_file", `{"path":"/etc/hostname"}`); !o.IsError {
		t.Errorf("outside of its roots: %+v", o)
	}
	if _, err := find(t, s, "read_text_file").Decode(json.RawMessage(`{"head":1}`)); err == nil || !strings.Contains(err.Error(), "path") {
		t.Errorf("without a path: %v", err)
	}
}

func TestRealEverything(t *testing.T) {
	where := provided(t)
	root := t.TempDir()
	s := open(t, Options{Workspace: root}, Config{Name: "all", Transport: stdio, Command: where["node"], Args: []string{where["everything"], "stdio"}})
	set, err := tool.NewSet(s.Tools(t.Context())...)
	if err != nil {
		t.Fatal(err)
	}
	call := func(name, args string) Observation {
		t.Helper()
		p, err := tool.ParseCall(set, name, args, tool.ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var data struct{ Data json.RawMessage }
		if err := json.Unmarshal(p.Action, &data); err != nil {
			t.Fatal(err)
		}
		return run(t, s, name, string(data.Data))
	}
	for _, c := range []struct{ name, args, want string }{
		{"echo", `{"message":"hello"}`, "hello"},
		{"get-sum", `{"a":"2","b":3}`, "5"},
		{"get-structured-content", `{"location":"New York"}`, `"temperature"`},
		{"get-resource-links", `{"count":2}`, "[resource "},
		{"get-resource-reference", `{"resourceType":"Text","resourceId":1}`, "[resource demo://"},
	} {
		if o := call(c.name, c.args); o.IsError || !strings.Contains(said(o), c.want) {
			t.Errorf("%s: %+v", c.name, o)
		}
	}
	image := call("get-tiny-image", `{}`)
	if !slices.ContainsFunc(image.Content, func(c event.Content) bool {
		return len(c.ImageURLs) == 1 && strings.HasPrefix(c.ImageURLs[0], "data:image/png;base64,")
	}) {
		t.Errorf("the image: %+v", image)
	}
	if _, err := tool.ParseCall(set, "get-structured-content", `{"location":"Atlantis"}`, tool.ParseOptions{}); err == nil {
		t.Error("a place that is not in the enum was taken")
	}

	var mu sync.Mutex
	var shown string
	o, err := try(t.Context(), find(t, s, "trigger-long-running-operation"), `{"duration":0.05,"steps":4}`, func(text string) {
		mu.Lock()
		defer mu.Unlock()
		shown += text
	}, nil)
	if err != nil || !strings.Contains(said(o), "completed") {
		t.Errorf("long: %+v %v", o, err)
	}
	mu.Lock()
	if !strings.HasPrefix(shown, "[1/4]\n[2/4]\n[3/4]\n") {
		t.Errorf("its progress is %q", shown)
	}
	mu.Unlock()

	var asked tool.Question
	o, err = try(t.Context(), find(t, s, "trigger-elicitation-request"), `{}`, func(string) {}, func(_ context.Context, q tool.Question) (tool.Answer, error) {
		asked = q
		return tool.Answer{Action: "accept", Content: json.RawMessage(`{"name":"Ada","check":true}`)}, nil
	})
	if err != nil || o.IsError || !strings.Contains(said(o), "Ada") || !strings.Contains(string(asked.Schema), "legal name") {
		t.Errorf("asked %+v, answered %+v: %v", asked, o, err)
	}
	// Tools that need our capabilities come when the server knows of them.
	until(t, "get-roots-list", func() bool {
		return slices.ContainsFunc(s.Known(), func(made tool.Tool) bool { return made.Definition().Name == "get-roots-list" })
	})
	if o := run(t, s, "get-roots-list", `{}`); !strings.Contains(said(o), workspace.ToURI(root)) {
		t.Errorf("its roots: %+v", o)
	}

	// An interrupt of a call that would take long.
	ctx, cancel := context.WithCancel(t.Context())
	_, err = try(ctx, find(t, s, "trigger-long-running-operation"), `{"duration":600,"steps":60000}`, func(string) { cancel() }, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestRealTransports: the same server over both transports of the network.
func TestRealTransports(t *testing.T) {
	where := provided(t)
	for kind, path := range map[string]string{"streamableHttp": "/mcp", "sse": "/sse"} {
		t.Run(kind, func(t *testing.T) {
			port := freePort(t)
			server := exec.Command(where["node"], where["everything"], kind)
			server.Env = append(os.Environ(), "PORT="+port)
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = server.Process.Kill()
				_ = server.Wait() // it was killed
			})
			until(t, "server", func() bool {
				conn, err := net.Dial("tcp", "localhost:"+port)
				if err == nil {
					_ = conn.Close()
				}
				return err == nil
			})
			list, err := Parse(fmt.Appendf(nil, `{"all":{"url":"http://localhost:%s%s"}}`, port, path))
			if err != nil {
				t.Fatal(err)
			}
			s := open(t, Options{}, list...)
			if o := run(t, s, "echo", `{"message":"far"}`); !strings.Contains(said(o), "far") {
				t.Errorf("echo: %+v", o)
			}
			if err := server.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			until(t, "end of the connection, told", func() bool {
				o, err := try(t.Context(), s.Known()[0], `{"message":"gone"}`, func(string) {}, nil)
				return err == nil && o.IsError
			})
		})
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
