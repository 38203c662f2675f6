package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/config"
)

func TestDoctor(t *testing.T) {
	asked := make(chan *http.Request, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()

	all := func(name string) (string, error) { return "/usr/bin/" + name, nil }
	for _, c := range []struct {
		name   string
		env    map[string]string
		find   func(string) (string, error)
		home   string // below the test's folder; "-" for none
		ok     bool
		checks map[string]string // name: status and a part of what is said
	}{
		{
			"a server that answers",
			map[string]string{"LLM_MODEL": "openai/x", "LLM_API_KEY": "sk-secret", "LLM_BASE_URL": "http://user:sk-secret@" + server.Listener.Addr().String() + "/v1?k=sk-secret"},
			all, "", true,
			map[string]string{"model": "ok openai/x", "key": "ok is set", "server": "ok " + server.URL + "/v1 answers in", "bash": "ok /usr/bin/bash", "conversations": "ok (made when needed)"},
		},
		{
			"a server that is not there",
			map[string]string{"LLM_MODEL": "ollama/x", "LLM_BASE_URL": gone.URL},
			all, "", false,
			map[string]string{"key": "ok none needed", "server": "error can't be reached"},
		},
		{"no model", nil, all, "", false, map[string]string{"model": "error No model is configured", "remedy": "set ANTHROPIC_API_KEY"}},
		{"no key", map[string]string{"LLM_MODEL": "anthropic/x"}, all, "", false, map[string]string{"model": "ok anthropic/x", "key": "error anthropic/x needs a key", "remedy": "set ANTHROPIC_API_KEY"}},
		{"a script", map[string]string{"LLM_MODEL": "scripted/demo"}, all, "", true, map[string]string{"model": "ok scripted/demo", "key": "ok none needed"}},
		{"a script that is not there", map[string]string{"LLM_MODEL": "scripted/nowhere.script"}, all, "", false, map[string]string{"model": "error nowhere.script"}},
		{
			"no tools",
			map[string]string{"LLM_MODEL": "scripted/demo"},
			func(string) (string, error) { return "", errors.New("no") }, "", false,
			map[string]string{"bash": "error not on the PATH", "git": "warning not on the PATH", "rg": "warning not on the PATH"},
		},
		{"no home", map[string]string{"LLM_MODEL": "scripted/demo"}, all, "-", false, map[string]string{"conversations": "error no folder", "settings": "warning no home"}},
		{"a file in the way", map[string]string{"LLM_MODEL": "scripted/demo", "OPENHANDS_CONVERSATIONS_DIR": "FILE/below"}, all, "", false, map[string]string{"conversations": "error "}},
		{"broken settings", map[string]string{"LLM_MODEL": "scripted/demo", "AGENT_RPC_CONFIG": "FILE"}, all, "", false, map[string]string{"settings": "error config.toml"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := t.TempDir()
			file := filepath.Join(home, "config.toml")
			if err := os.WriteFile(file, []byte("= broken"), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.home == "-" {
				home = ""
			}
			lookup := func(name string) (string, bool) {
				v, ok := c.env[name]
				return strings.Replace(v, "FILE", file, 1), ok
			}
			d := &examination{
				config: config.Load(lookup, home), lookPath: c.find,
				server: func(context.Context) Check { return ok("protocol", "fine") },
			}
			r := d.examine(t.Context())
			if r.OK != c.ok {
				t.Errorf("ok is %v, want %v: %+v", r.OK, c.ok, r.Checks)
			}
			got := map[string]string{}
			for _, check := range r.Checks {
				got[check.Name] = check.Status + " " + check.Detail
				if check.Status == statusError {
					got["remedy"] = check.Remedy
					if check.Remedy == "" {
						t.Errorf("%s fails without a remedy", check.Name)
					}
				}
			}
			for name, want := range c.checks {
				status, part, _ := strings.Cut(want, " ")
				if name == "remedy" {
					status, part = "", want
				}
				if !strings.HasPrefix(got[name], status) || !strings.Contains(got[name], part) {
					t.Errorf("%s: %q, want %q", name, got[name], want)
				}
			}
			var out bytes.Buffer
			if err := r.print(&out, look{tty: true, color: true, width: 80}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(out.String(), "sk-secret") {
				t.Errorf("a key is printed:\n%s", out.String())
			}
		})
	}
	for len(asked) > 0 {
		if r := <-asked; r.Header.Get("Authorization") != "" && !strings.HasPrefix(r.Header.Get("Authorization"), "Basic") || strings.Contains(r.Header.Get("X-Api-Key"), "secret") {
			t.Errorf("a key was sent: %v", r.Header)
		}
	}
}
