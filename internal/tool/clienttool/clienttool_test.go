package clienttool_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/clienttool"
	"github.com/agent-rpc/agent-rpc/internal/tool/tooltest"
)

var show = clienttool.Spec{
	Name: "show_page", Description: "Shows a page in the editor.",
	Parameters:  json.RawMessage(`{"type":"object","properties":{"url":{"type":"string","format":"uri"},"side":{"type":"string","enum":["left","right"]}},"required":["url"]}`),
	Annotations: &tool.Annotations{Title: "Show page", ReadOnlyHint: true},
}

func made(t *testing.T, spec clienttool.Spec, execute clienttool.Execute) *clienttool.Tool {
	t.Helper()
	made, err := clienttool.New(spec, execute, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestSuite(t *testing.T) {
	tooltest.Run(t, tooltest.Suite{
		New: func(t *testing.T) tool.Tool {
			return made(t, show, func(context.Context, clienttool.Call) (tool.Result, error) { return tool.Success("shown"), nil })
		},
		Args: []string{`{"url":"https://example.org"}`, `{"url":"x","side":"left"}`},
	})
}

func run(t *testing.T, tl *clienttool.Tool, ctx context.Context) (tool.Result, error) {
	t.Helper()
	action, err := tl.Decode(json.RawMessage(`{"url":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tl.Run(ctx, tool.Call{ID: "call", RunID: "run", Action: action})
	var r tool.Result
	if err == nil {
		if kind, _ := event.KindOf(raw); kind != clienttool.ObservationKind {
			t.Errorf("the observation is %s", raw)
		}
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatal(err)
		}
	}
	return r, err
}

func TestRun(t *testing.T) {
	var got clienttool.Call
	ok := made(t, show, func(_ context.Context, c clienttool.Call) (tool.Result, error) {
		got = c
		return tool.Success("shown"), nil
	})
	r, err := run(t, ok, t.Context())
	if err != nil || r.IsError || event.TextOf(r.Content) != "shown" {
		t.Errorf("%+v, %v", r, err)
	}
	if got.ID != "call" || got.RunID != "run" || got.Name != "show_page" || string(got.Arguments) != `{"url":"x"}` {
		t.Errorf("the client got %+v: %s", got, got.Arguments)
	}
	refused := made(t, show, func(context.Context, clienttool.Call) (tool.Result, error) {
		return tool.Result{}, errors.New("the editor does not carry out tools")
	})
	if r, err := run(t, refused, t.Context()); err != nil || !r.IsError || !strings.Contains(event.TextOf(r.Content), "does not carry out") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRunOfAClientThatDoesNotAnswer(t *testing.T) {
	silent := func(ctx context.Context, _ clienttool.Call) (tool.Result, error) {
		<-ctx.Done()
		return tool.Result{}, ctx.Err()
	}
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		r, err := run(t, made(t, show, silent), t.Context())
		if err != nil || !r.IsError || !strings.Contains(event.TextOf(r.Content), "within 1m0s") || time.Since(begun) != time.Minute {
			t.Errorf("after %s: %+v, %v", time.Since(begun), r, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := run(t, made(t, show, silent), ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("interrupted: %v", err)
		}
	})
}

func TestStored(t *testing.T) {
	tl := made(t, show, nil)
	raw, err := tl.Definition().Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"description":"Shows a page in the editor.","action_type":"ClientAction_show_page","observation_type":"ClientToolObservation",` +
		`"annotations":{"title":"Show page","readOnlyHint":true,"destructiveHint":false,"idempotentHint":false,"openWorldHint":false},"title":"Show page",` +
		`"client_tool_name":"show_page","input_schema":` + string(show.Parameters) + `,"kind":"ClientTool"}`
	if string(raw) != want {
		t.Errorf("stored as\n%s, want\n%s", raw, want)
	}
	var params struct{ Spec clienttool.Spec }
	if err := json.Unmarshal(clienttool.Params(tl.Definition()), &params); err != nil {
		t.Fatal(err)
	}
	again := made(t, params.Spec, nil)
	if second, _ := again.Definition().Encode(); string(second) != string(raw) {
		t.Errorf("read back as\n%s", second)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		spec clienttool.Spec
		want string
	}{
		{clienttool.Spec{}, "name"},
		{clienttool.Spec{Name: "a b"}, "name"},
		{clienttool.Spec{Name: strings.Repeat("x", 65)}, "name"},
		{clienttool.Spec{Name: "x", Parameters: json.RawMessage(`{"type":"array"}`)}, "object"},
		{clienttool.Spec{Name: "x", Parameters: json.RawMessage(`{"type":"object","properties":{"kind":{}}}`)}, "reserved"},
	} {
		if _, err := clienttool.New(tt.spec, nil, 0); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt.spec, err)
		}
	}
	for _, parameters := range []string{"", "null", "[]", `{"type":"object"}`} {
		if _, err := clienttool.New(clienttool.Spec{Name: "Open-File_2", Parameters: json.RawMessage(parameters)}, nil, 0); err != nil {
			t.Errorf("parameters %q: %v", parameters, err)
		}
	}
}
