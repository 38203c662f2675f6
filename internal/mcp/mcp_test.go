package mcp

import (
	"context"
	"encoding/json"
	"errors"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/mcp/mcptest"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/tooltest"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

func TestSuite(t *testing.T) {
	tooltest.Run(t, tooltest.Suite{
		New:  func(t *testing.T) tool.Tool { return find(t, open(t, Options{}, mode(t, "fake", "good")), "echo") },
		Args: []string{`{"text":"hello"}`, `{"text":"hello","n":3,"tags":["a"]}`},
	})
}

func TestResults(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir}, mode(t, "fake", "good"))
	for _, c := range []struct {
		name, args, want string
		failed           bool
	}{
		{"echo", `{"text":"hi","n":2}`, "hi 2 []", false},
		{"add", `{"A":1,"B":2}`, `{"sum":3}`, false},
		{"structured", `{}`, `three rows{"rows":3}`, false},
		{"fail", `{}`, "it went wrong", true},
		{"empty", `{}`, "[empty gave no output]", false},
	} {
		o := run(t, s, c.name, c.args)
		if said(o) != c.want || o.IsError != c.failed || o.ToolName != c.name {
			t.Errorf("%s: %+v", c.name, o)
		}
	}
	parts := run(t, s, "parts", `{}`)
	if want := "a picture[audio, audio/wav, 3 bytes: it can't be shown here][resource a: file:///a][resource mem://b]\ninside[resource mem://c, application/zip, 3 bytes: it is no text]"; said(parts) != want {
		t.Errorf("parts: %q", said(parts))
	}
	if !slices.ContainsFunc(parts.Content, func(c event.Content) bool {
		return slices.Equal(c.ImageURLs, []string{"data:image/png;base64,cG5n"})
	}) {
		t.Errorf("the image is not there: %+v", parts.Content)
	}
	flood := said(run(t, s, "flood", `{}`))
	saved, err := filepath.Glob(filepath.Join(dir, "observations", "mcp_output_*.txt"))
	if err != nil || len(saved) != 1 || len(flood) > maxText || !strings.Contains(flood, saved[0]) {
		t.Errorf("a flood gave %d bytes, saved in %v: %v", len(flood), saved, err)
	}
	if o := run(t, s, "burst", `{}`); !o.IsError || !strings.Contains(said(o), "16 MiB") && !strings.Contains(said(o), "started again") {
		t.Errorf("a message that is too long: %.200s", said(o))
	}
	if o := run(t, s, "echo", `{"text":"again"}`); said(o) != "again 0 []" {
		t.Errorf("after it: %+v", o)
	}
}

func TestArguments(t *testing.T) {
	s := open(t, Options{}, mode(t, "fake", "good"))
	set, err := tool.NewSet(s.Tools(t.Context())...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := tool.ParseCall(set, "echo", `{"summary":"say","text":"x","n":"7","tags":"[\"a\"]"}`, tool.ParseOptions{})
	if err != nil || string(p.Action) != `{"data":{"n":7,"tags":["a"],"text":"x"},"kind":"MCPToolAction"}` {
		t.Errorf("repaired to %+v: %v", p, err)
	}
	for _, args := range []string{`{"n":1}`, `{"text":"x","what":1}`, `{"text":["x",1]}`} {
		if _, err := tool.ParseCall(set, "echo", args, tool.ParseOptions{}); err == nil {
			t.Errorf("%s was taken", args)
		}
	}
}

func TestNames(t *testing.T) {
	s := open(t, Options{}, mode(t, "my server", "good"), mode(t, "other", "good"), Config{Name: "off", Disabled: true})
	var names []string
	for _, made := range s.Tools(t.Context()) {
		names = append(names, made.Definition().Name)
	}
	if !slices.Contains(names, "my_server_echo") || !slices.Contains(names, "other_echo") || slices.Contains(names, "echo") {
		t.Errorf("the tools are %v", names)
	}
	long := nameOf("s", strings.Repeat("a", 100), true)
	if len(long) != 64 || long == nameOf("s", strings.Repeat("a", 101), true) {
		t.Errorf("a long name is %q", long)
	}
}

func TestSurroundings(t *testing.T) {
	t.Setenv("FROM_ENV", "from-env")
	root := t.TempDir()
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		t.Fatal(err)
	}
	var hidden []string
	c := mode(t, "fake", "good", "GIVEN=${SECRET}/${FROM_ENV}/${NONE:-else}/${NONE}", "SOME_TOKEN=token-value")
	s := open(t, Options{
		Workspace: root, Environ: []string{"PATH=" + os.Getenv("PATH")},
		Secret: func(_ context.Context, name string) (string, error) {
			if name == "SECRET" {
				return "from-secrets", nil
			}
			return "", errors.New("none")
		},
		Secrets: func(_ context.Context, text string) (map[string]string, []string) {
			if !strings.Contains(text, "PASS") {
				return nil, nil
			}
			return map[string]string{"PASS": "word"}, nil
		},
		Hide: func(values ...string) { hidden = append(hidden, values...) },
	}, c)
	if o := run(t, s, "env", `{}`); said(o) != "from-secrets/from-env/else/${NONE}||"+root {
		t.Errorf("the server sees %q", said(o))
	}
	if !slices.Contains(hidden, "token-value") {
		t.Errorf("hidden are %q", hidden)
	}
	if o := run(t, s, "roots", `{}`); said(o) != workspace.ToURI(root) {
		t.Errorf("its root is %q", said(o))
	}
	if o := run(t, s, "echo", `{"text":"$PASS ${PASS} ${PASS:-x} $PASSWORD ${FROM_ENV}"}`); said(o) != "word word word $PASSWORD ${FROM_ENV} 0 []" {
		t.Errorf("the arguments were %q", said(o))
	}
}

func TestProgressAndQuestions(t *testing.T) {
	s := open(t, Options{}, mode(t, "fake", "good"))
	var mu sync.Mutex
	var shown []string
	if _, err := try(t.Context(), find(t, s, "steps"), `{}`, func(text string) {
		mu.Lock()
		defer mu.Unlock()
		shown = append(shown, text)
	}, nil); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(shown, ""); got != "[1/3] step\n[2/3] step\n[3/3] step\n" {
		t.Errorf("its progress is %q", got)
	}
	var asked tool.Question
	o, err := try(t.Context(), find(t, s, "ask"), `{}`, func(string) {}, func(_ context.Context, q tool.Question) (tool.Answer, error) {
		asked = q
		return tool.Answer{Action: "accept", Content: json.RawMessage(`{"colour":"red"}`)}, nil
	})
	if err != nil || said(o) != "accept red" || asked.Repeatable || asked.Message != "fake: Which colour?" || !strings.Contains(string(asked.Schema), "colour") {
		t.Errorf("asked %+v, answered %+v: %v", asked, o, err)
	}
	o, err = try(t.Context(), find(t, s, "ask"), `{}`, func(string) {}, func(context.Context, tool.Question) (tool.Answer, error) {
		return tool.Answer{}, errors.New("nobody is there")
	})
	if err != nil || !strings.HasPrefix(said(o), "cancel") {
		t.Errorf("without an answer: %+v %v", o, err)
	}
}

// TestQuestionsTakeTheirTime: a user may think for longer than a call may take.
func TestQuestionsTakeTheirTime(t *testing.T) {
	c := mode(t, "fake", "good")
	c.Timeout = 50 * time.Millisecond
	s := open(t, Options{}, c)
	o, err := try(t.Context(), find(t, s, "ask"), `{}`, func(string) {}, func(ctx context.Context, _ tool.Question) (tool.Answer, error) {
		select {
		case <-time.After(200 * time.Millisecond):
			return tool.Answer{Action: "decline"}, nil
		case <-ctx.Done():
			return tool.Answer{}, ctx.Err()
		}
	})
	if err != nil || !strings.HasPrefix(said(o), "decline") {
		t.Errorf("%+v %v", o, err)
	}
}

func TestListChanged(t *testing.T) {
	s := open(t, Options{}, mode(t, "fake", "good"))
	before := find(t, s, "echo")
	run(t, s, "grow", `{}`)
	has := func(name string) bool {
		return slices.ContainsFunc(s.Known(), func(made tool.Tool) bool { return made.Definition().Name == name })
	}
	until(t, "new list", func() bool { return has("grown") && !has("fail") })
	if find(t, s, "echo") != before {
		t.Error("a tool that did not change is another one")
	}
	if o := run(t, s, "grown", `{}`); said(o) != "new" {
		t.Errorf("%+v", o)
	}
}

func TestCancel(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "cancelled")
	s := open(t, Options{}, mode(t, "fake", "good", "CANCELLED="+mark))
	made := find(t, s, "hang")
	ctx, cancel := context.WithCancel(t.Context())
	var calling sync.WaitGroup
	calling.Go(func() {
		if _, err := try(ctx, made, `{}`, func(string) {}, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("the call ended with %v", err)
		}
	})
	srv := s.servers[0]
	until(t, "call", func() bool { return strings.Contains(srv.link.process.stderr.text(), "hangs") })
	cancel()
	calling.Wait()
	until(t, "notifications/cancelled", func() bool { _, err := os.Stat(mark); return err == nil })
	if o := run(t, s, "echo", `{"text":"on"}`); said(o) != "on 0 []" {
		t.Errorf("after it: %+v", o)
	}
}

func TestTimeout(t *testing.T) {
	s := open(t, Options{CallTimeout: 100 * time.Millisecond}, mode(t, "fake", "good"))
	if o := run(t, s, "hang", `{}`); !o.IsError || !strings.Contains(said(o), "has not answered hang within 100ms") {
		t.Errorf("%+v", o)
	}
}

// TestFaultsAtStart: the others come up, each failure is told once and says why.
func TestFaultsAtStart(t *testing.T) {
	var warned []string
	var mu sync.Mutex
	s := open(t, Options{StartTimeout: 6 * time.Second, Warn: func(text string) {
		mu.Lock()
		defer mu.Unlock()
		warned = append(warned, text)
	}},
		mode(t, "good", "good"), mode(t, "chatty", "chatty"), mode(t, "dead", "dead"), mode(t, "nonsense", "nonsense"), mode(t, "deaf", "deaf"),
		Config{Name: "missing", Transport: stdio, Command: "no-such-command-here"},
		Config{Name: "wrong", Err: errors.New("needs a command")},
		Config{Name: "nobody", Transport: http, URL: "http://127.0.0.1:1/mcp"},
	)
	find(t, s, "good_echo")
	if o := run(t, s, "chatty_echo", `{"text":"hi"}`); said(o) != "hi 0 []" {
		t.Errorf("a server that talks: %+v", o)
	}
	news := s.News()
	for name, why := range map[string]string{
		"dead": "exit status 3", "nonsense": "login:", "deaf": "within 6s", "missing": "install it", "wrong": "needs a command", "nobody": "refused",
	} {
		n := 0
		for _, text := range news {
			if strings.Contains(text, `"`+name+`"`) && strings.Contains(text, why) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("of %s is told %d times that %s: %q", name, n, why, news)
		}
	}
	if len(news) != 6 || len(warned) != 6 || len(s.News()) != 0 {
		t.Errorf("told %q, warned %q", news, warned)
	}
	if !slices.ContainsFunc(news, func(text string) bool { return strings.Contains(text, "no licence") }) {
		t.Errorf("what it said on stderr is not there: %q", news)
	}
}

// TestInterruptedStart: who waits for a server may leave; it comes up all the same.
func TestInterruptedStart(t *testing.T) {
	s := open(t, Options{}, mode(t, "fake", "good"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if tools := s.Tools(ctx); len(tools) != 0 {
		t.Log("it was quick")
	}
	find(t, s, "echo")
}

func TestDeath(t *testing.T) {
	s := open(t, Options{}, mode(t, "fake", "good"))
	for range 2 {
		o := run(t, s, "die", `{}`)
		if !o.IsError || !strings.Contains(said(o), "exit status 7") || !strings.Contains(said(o), "out of ink") {
			t.Fatalf("%+v", o)
		}
	}
	if o := run(t, s, "echo", `{"text":"back"}`); said(o) != "back 0 []" {
		t.Errorf("after two deaths: %+v", o)
	}
	for range maxRestarts + 1 {
		run(t, s, "die", `{}`)
	}
	if o := run(t, s, "echo", `{"text":"x"}`); !strings.Contains(said(o), "is not started again") {
		t.Errorf("after many deaths: %+v", o)
	}
}

func TestRemote(t *testing.T) {
	fake := mcptest.Server()
	get := func(*nethttp.Request) *sdk.Server { return fake }
	streamable := sdk.NewStreamableHTTPHandler(get, nil)
	events := sdk.NewSSEHandler(get, nil)
	guarded := func(h nethttp.Handler) *httptest.Server {
		srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			if r.Header.Get("Authorization") != "Bearer t0ken" {
				w.WriteHeader(nethttp.StatusUnauthorized)
				return
			}
			h.ServeHTTP(w, r)
		}))
		t.Cleanup(func() {
			srv.CloseClientConnections()
			srv.Close()
		})
		return srv
	}
	login := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="http://x.example/.well-known"`)
		w.WriteHeader(nethttp.StatusUnauthorized)
	}))
	defer login.Close()
	list, err := Parse(json.RawMessage(`{"mcpServers":{
		"s":{"url":"` + guarded(streamable).URL + `","auth":"t0ken"},
		"e":{"url":"` + guarded(events).URL + `/sse","headers":{"Authorization":"Bearer t0ken"}},
		"refused":{"url":"` + guarded(streamable).URL + `","auth":{"strategy":"bearer","value":"other"}},
		"login":{"url":"` + login.URL + `"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	var hidden []string
	var mu sync.Mutex
	s := open(t, Options{Hide: func(values ...string) {
		mu.Lock()
		defer mu.Unlock()
		hidden = append(hidden, values...)
	}}, list...)
	for _, name := range []string{"s_echo", "e_echo"} {
		if o := run(t, s, name, `{"text":"far"}`); said(o) != "far 0 []" {
			t.Errorf("%s: %+v", name, o)
		}
	}
	news := strings.Join(s.News(), "\n")
	if !strings.Contains(news, `"refused" could not be started: the server answered 401: give it a token`) || !strings.Contains(news, `"login" could not be started: the server answered 401 and wants a login: OAuth is not served here`) {
		t.Errorf("told: %s", news)
	}
	if !slices.Contains(hidden, "t0ken") {
		t.Errorf("hidden are %q", hidden)
	}
}

func TestConfig(t *testing.T) {
	for raw, want := range map[string]string{
		`{"a":{"command":"x","args":["-p",8080],"env":{"N":1},"timeout":1.5}}`: "stdio x -p 8080",
		`{"mcpServers":{"a":{"url":"https://h/mcp","type":"shttp"}}}`:          "http https://h/mcp",
		`{"a":{"url":"https://h/sse?x=1"}}`:                                    "sse https://h/sse",
		`{"a":{"url":"https://h/x","transport":"sse","unknown":[1]}}`:          "sse https://h/x",
		`{"a":{"command":"x","enabled":false}}`:                                "off",
		`{"mcpServers":{"command":"x"}}`:                                       "stdio x",
		`{"a":{}}`:                                                             "needs a command, or a url",
		`{"a":{"url":"ftp://x"}}`:                                              "url must be",
		`{"a":{"command":"x","transport":"pigeon"}}`:                           "transport \"pigeon\" is not known",
		`{"a":{"url":"http://h","auth":"oauth"}}`:                              "OAuth is not served here",
		`{"a":{"url":"http://h","auth":{"strategy":"bearer","value":"v"},"headers":{"authorization":"x"}}}`: "say the same",
		`{"a":{"url":"http://h","auth":{"strategy":"x"}}}`:                                                  "is not known",
		`{"a":[]}`:                           "must be an object",
		`{"a":{"command":5}}`:                "command must be of another type",
		`{"a":{"command":"x","timeout":-1}}`: "timeout must be",
	} {
		list, err := Parse(json.RawMessage(raw))
		if err != nil || len(list) != 1 {
			t.Errorf("%s: %+v %v", raw, list, err)
			continue
		}
		c := list[0]
		got := c.Transport + " " + c.Reached()
		switch {
		case c.Err != nil:
			got = c.Err.Error()
		case c.Disabled:
			got = "off"
		case c.Transport == stdio:
			got += " " + strings.Join(c.Args, " ")
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s is read as %q, not %q", raw, got, want)
		}
	}
	for _, raw := range []string{"", "null", "[]", "{}", `{"mcpServers":{}}`, `{"mcpServers":[]}`} {
		if list, err := Parse(json.RawMessage(raw)); err != nil || len(list) != 0 {
			t.Errorf("%s: %+v %v", raw, list, err)
		}
	}
	for _, raw := range []string{"5", `[1]`, `{"mcpServers":5}`} {
		if _, err := Parse(json.RawMessage(raw)); err == nil {
			t.Errorf("%s was taken", raw)
		}
	}
	masked, err := Parse(json.RawMessage(`{"a":{"url":"http://h","headers":{"X":"**********"},"env":{"E":"**********"},"auth":{"strategy":"bearer","value":"**********"}}}`))
	if err != nil || masked[0].Err != nil || !masked[0].Lost || len(masked[0].Headers) != 0 || len(masked[0].Env) != 0 {
		t.Errorf("what was not stored: %+v %v", masked, err)
	}
	for raw, want := range map[string]string{
		`{"strategy":"api_key","value":"v"}`:                     "Authorization=Bearer v",
		`{"strategy":"api_key","value":"v","header_name":"X-K"}`: "X-K=v",
		`{"strategy":"basic","username":"u","password":"p"}`:     "Authorization=Basic dTpw",
		`{"strategy":"header","headers":{"X-A":"a"}}`:            "X-A=a",
		`{"strategy":"none"}`:                                    "",
	} {
		list, err := Parse(json.RawMessage(`{"a":{"url":"http://h","auth":` + raw + `}}`))
		if err != nil || list[0].Err != nil {
			t.Errorf("%s: %v %v", raw, err, list)
			continue
		}
		var got string
		for name, value := range list[0].expand(&expander{ctx: t.Context(), hide: func(...string) {}}).Headers {
			got += name + "=" + value
		}
		if got != want {
			t.Errorf("%s gives %q", raw, got)
		}
	}
}

func TestMerge(t *testing.T) {
	list := Merge([]Config{{Name: "b", Command: "1"}, {Name: "a"}}, []Config{{Name: "b", Command: "2"}})
	if len(list) != 2 || list[0].Name != "a" || list[1].Command != "2" {
		t.Errorf("%+v", list)
	}
}
