package visualize

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// The ways a story is printed.
var faces = []struct {
	name string
	o    Options
}{
	{"color", Options{TTY: true, Color: true, Width: 80}},
	{"nocolor", Options{TTY: true, Width: 80}},
	{"plain", Options{}},
	{"narrow", Options{TTY: true, Width: 40}},
	{"wide", Options{TTY: true, Width: 120}},
}

// checkGolden prints a story in every face and compares. Escape sequences stand
// in the files as ␛, so that they can be read.
func checkGolden(t *testing.T, name string, tell func(s *story)) {
	t.Helper()
	for _, face := range faces {
		t.Run(face.name, func(t *testing.T) {
			s := newStory(t)
			tell(s)
			face.o.Workspace = root
			var out, status bytes.Buffer
			v := New(&out, &status, face.o)
			s.play(v)
			got := strings.ReplaceAll(out.String(), "\x1b", "␛")
			if face.name == "plain" && status.Len() > 0 {
				t.Errorf("plain output wrote to the status: %q", status.String())
			}
			if !face.o.Color && strings.Contains(got, "␛") {
				t.Errorf("output without colour holds an escape sequence")
			}
			file := filepath.Join("testdata", name, face.name+".txt")
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

func head(v *View) {
	v.Header(Header{
		Version: "0.4.0", Folder: "payments-api", Model: "anthropic/claude-sonnet-4-5",
		Policy: []byte(`{"threshold":"MEDIUM","confirm_unknown":true,"kind":"ConfirmRisky"}`), ID: "7f3a19c2-1111-4222-8333-944455556666", Short: "7f3a",
	})
}

func end(v *View) { v.End(Ending{Short: "7f3a"}) }

var tasks = []map[string]string{
	{"title": "Find where deliveries are dropped", "notes": "", "status": "done"},
	{"title": "Add a backoff policy with jitter", "notes": "", "status": "done"},
	{"title": "Store attempt count with the delivery", "notes": "", "status": "done"},
	{"title": "Run the webhook tests", "notes": "", "status": "in_progress"},
	{"title": "Document the new settings", "notes": "", "status": "todo"},
}

// lines makes n different lines.
func lines(prefix string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(prefix + strings.Repeat("x", i%7) + "\n")
	}
	return b.String()
}

func TestRun(t *testing.T) {
	checkGolden(t, "run", func(s *story) {
		s.do(head).user("Retry failed webhooks with backoff").state(protocol.StatusRunning, "")
		s.wait(12*time.Second).did(act{kind: "read", title: "Read internal/webhook/dispatcher.go", thinking: "Deliveries are dropped in send()\nI should look there first."},
			event.Display{Summary: "180 lines"}, 10*time.Millisecond, "", nil)
		s.did(act{kind: "search", title: "client.Do("}, event.Display{Summary: "14 hits in 6 files"}, 200*time.Millisecond, "", nil)
		s.wait(4*time.Second).did(act{
			kind: "other", title: "Plan", tool: "task_tracker", actionKind: "TaskTrackerAction",
			text: "A `5xx` ends the delivery in `dispatcher.go:52`. I'll move the decision into a **policy**:\n\n```go\nfunc (p Policy) Next(n int) time.Duration {\n\td := p.Base << (n - 1)\n\treturn min(d, p.Max) + p.jitter()\n}\n```",
		},
			event.Display{}, 0, "", map[string]any{"task_list": tasks, "command": "plan", "kind": "TaskTrackerObservation"})
		s.did(act{kind: "edit", title: "Edit " + root + "/internal/webhook/backoff.go"},
			event.Display{Diff: &event.Diff{Path: root + "/internal/webhook/backoff.go", NewText: lines("a", 46)}}, 0, "", nil)
		s.wait(time.Second).did(act{kind: "execute", title: "go build ./..."}, event.Display{Status: event.StatusFailed, Summary: "exit 1"}, 2100*time.Millisecond,
			"webhook/dispatcher.go:52:9: undefined: policy.Next\r\n\x1b[31mwebhook/dispatcher.go:61:3\x1b[0m: missing return\n", nil)
		s.did(act{kind: "edit", title: "Edit internal/webhook/dispatcher.go"},
			event.Display{Diff: &event.Diff{Path: root + "/internal/webhook/dispatcher.go", OldText: text(lines("b", 9)), NewText: lines("c", 18)}}, 0, "", nil)
		s.did(act{kind: "other", title: "Plan", tool: "task_tracker", actionKind: "TaskTrackerAction"}, event.Display{}, 0, "",
			map[string]any{"task_list": tasks, "command": "view", "kind": "TaskTrackerObservation"})
		s.did(act{kind: "execute", title: "go test ./internal/webhook/... -run Retry"}, event.Display{Summary: "6 passed"}, 9400*time.Millisecond, "ok\n", nil)
		s.wait(2*time.Minute).spent(0.61, 56000, 2000, 38000).
			did(act{kind: "other", title: "Finish", tool: "finish", actionKind: "FinishAction", action: map[string]any{"message": "Failed deliveries are retried now.\n\n- at most 5 times, with a pause that grows and a bit of chance in it so that not all come back at once\n- the attempt count is stored\n"}},
				event.Display{}, 0, "", map[string]any{"kind": "FinishObservation"})
		s.state(protocol.StatusFinished, protocol.StopFinished).do(end)
	})
}

func pendingCommand(s *story) *protocol.Pending {
	return &protocol.Pending{
		RequestID: "request-1", RunID: "run-1", Kind: "confirmation",
		Options: []protocol.Option{{ID: "approve"}, {ID: "reject"}, {ID: "remember"}},
		Actions: []protocol.PendingAction{{
			ActionID: "action-call-1", Tool: "terminal", Kind: "execute", Risk: event.RiskHigh,
			Title: "cd services/webhook && rm -rf ./testdata/* && go generate ./... | tee gen.log",
			Input: []byte(`{"command":"cd services/webhook && rm -rf ./testdata/* && go generate ./... | tee gen.log","is_input":false,"timeout":null,"kind":"TerminalAction"}`),
			Parts: []protocol.ActionPart{
				{Text: "cd services/webhook", Risk: event.RiskLow},
				{Text: "rm -rf ./testdata/*", Risk: event.RiskHigh, Reason: "deletes 38 files, 12 of them not in git"},
				{Text: "go generate ./...", Risk: event.RiskMedium, Reason: "runs programs named in the source"},
				{Text: "tee gen.log", Risk: event.RiskLow, Reason: "writes gen.log"},
			},
		}},
	}
}

func TestApproval(t *testing.T) {
	checkGolden(t, "approval", func(s *story) {
		s.user("Clean up").state(protocol.StatusRunning, "")
		p := pendingCommand(s)
		_, call := s.act(act{kind: "execute", title: p.Actions[0].Title, risk: event.RiskHigh})
		p.Actions[0].ActionID = "action-" + call
		s.info.Pending = []protocol.Pending{*p}
		s.state(protocol.StatusWaitingForConfirmation, protocol.StopWaitingForConfirmation)
		s.do(func(v *View) { v.Ask(*p, true) }).do(func(v *View) { v.Ask(*p, true) })
		s.wait(time.Hour).event(&event.UserReject{
			Meta: event.Meta{Source: event.SourceEnvironment}, ToolName: "terminal", ToolCallID: call,
			ActionID: "action-" + call, RejectionReason: "list them first", RejectionSource: "user",
		}, nil)
	})
}

func TestApprovalOfABatch(t *testing.T) {
	checkGolden(t, "batch", func(s *story) {
		workflow := "jobs:\n" + strings.Repeat("  # more\n", 16) + "      - uses: actions/setup-go@v5\n        with: { go-version: 1.24 }\n      - run: go test ./...\n"
		changed := strings.Replace(workflow, "        with: { go-version: 1.24 }\n", "        with: { go-version-file: go.mod }\n      - run: go generate ./... && git diff --exit-code\n", 1)
		p := protocol.Pending{
			RequestID: "request-1", Kind: "confirmation", Options: []protocol.Option{{ID: "approve"}, {ID: "reject"}},
			Actions: []protocol.PendingAction{
				{
					ActionID: "a1", Tool: "terminal", Kind: "execute", Risk: event.RiskMedium, Title: "multi", Reason: "hides what it prints",
					Input: []byte(`{"command":"printf '\u001b]0;x\u0007'\n\techo 日本語 \u202egnp.exe","is_input":true,"timeout":5}`),
				},
				{
					ActionID: "a2", Tool: "file_editor", Kind: "edit", Risk: event.RiskMedium, Title: "Edit .github/workflows/release.yml", Reason: "changes what CI runs",
					Input: []byte(`{"command":"str_replace","path":"x"}`),
					Diff:  &event.Diff{Path: root + "/.github/workflows/release.yml", OldText: &workflow, NewText: changed},
				},
				{
					ActionID: "a3", Tool: "send_mail", Kind: "other", Risk: event.RiskUnknown, Title: "send_mail",
					Input: []byte(`{"to":"a@example.org","body":"first line\nsecond line","copies":3,"kind":"MCPToolAction"}`),
				},
			},
		}
		s.info.Pending = []protocol.Pending{p}
		s.state(protocol.StatusWaitingForConfirmation, protocol.StopWaitingForConfirmation)
		s.do(func(v *View) { v.Ask(p, true); v.WholeDiff(p) })
		s.do(end)
	})
}

func TestEndings(t *testing.T) {
	begin := func(s *story) {
		s.user("Do it").state(protocol.StatusRunning, "")
		s.did(act{kind: "execute", title: "go test ./internal/webhook"}, event.Display{Status: event.StatusFailed, Summary: "exit 1"}, 700*time.Millisecond, "boom", nil)
	}
	cases := map[string]func(s *story){
		"stuck": func(s *story) {
			begin(s)
			for range 3 {
				s.did(act{kind: "execute", title: "go test ./internal/webhook"}, event.Display{Status: event.StatusFailed, Summary: "exit 1"}, 700*time.Millisecond, "boom", nil)
			}
			s.spent(0.71, 1000, 10, 0).state(protocol.StatusStuck, protocol.StopStuck)
		},
		"limit": func(s *story) {
			begin(s)
			s.did(act{kind: "other", title: "Plan", tool: "task_tracker", actionKind: "TaskTrackerAction"}, event.Display{}, 0, "",
				map[string]any{"task_list": tasks, "kind": "TaskTrackerObservation"})
			s.wait(64*time.Minute).spent(8.2, 1_000_000, 9000, 0).event(&event.ConversationError{
				Meta: event.Meta{Source: event.SourceEnvironment}, Code: "MaxIterationsReached",
				Detail: "limit of 500 iterations reached", Classification: event.ClassAgentAction,
			}, nil)
			s.state(protocol.StatusError, protocol.StopMaxIterations)
		},
		"budget": func(s *story) {
			s.info.MaxBudgetPerRun = 0.5
			begin(s)
			s.spent(0.52, 1000, 10, 0).event(&event.ConversationError{
				Meta: event.Meta{Source: event.SourceEnvironment}, Code: "MaxBudgetReached",
				Detail: "the conversation has cost $0.52, and its budget is $0.50", Classification: event.ClassQuota,
			}, nil)
			s.state(protocol.StatusError, protocol.StopBudget)
		},
		"unpriced": func(s *story) {
			s.info.LLMs = []protocol.LLMInfo{{UsageID: "agent", Model: "own/model", Unpriced: true}}
			begin(s)
			s.spent(0, 1000, 10, 0).state(protocol.StatusFinished, protocol.StopFinished)
		},
		"waiting": func(s *story) {
			begin(s)
			s.info.Pending = []protocol.Pending{*pendingCommand(s)}
			s.state(protocol.StatusWaitingForConfirmation, protocol.StopWaitingForConfirmation)
			s.do(func(v *View) { v.Ask(s.info.Pending[0], false) })
		},
		"question": func(s *story) {
			begin(s)
			s.info.Pending = []protocol.Pending{{
				RequestID: "r1", Kind: "input", Message: "Which room shall I book for the review on Friday? Both are free from ten to twelve.\nThe small one has no screen.",
				Schema: []byte(`{"type":"object","properties":{"room":{"title":"Room","enum":["small","large"]},"seats":{"type":"integer","title":"Seats","description":"How many come."}}}`),
			}}
			s.state(protocol.StatusWaitingForInput, "")
			s.do(func(v *View) { v.Ask(s.info.Pending[0], true) })
		},
		"refused": func(s *story) {
			begin(s)
			detail := "anthropic: invalid x-api-key (HTTP 401)"
			s.event(&event.ConversationError{Meta: event.Meta{Source: event.SourceEnvironment}, Code: "LLMAuthenticationError", Detail: detail, Classification: event.ClassAuth}, nil)
			s.info.Error = &protocol.RunError{Code: "LLMAuthenticationError", Message: detail, Classification: event.ClassAuth}
			s.state(protocol.StatusError, protocol.StopError)
		},
		"interrupted": func(s *story) {
			begin(s)
			_, call := s.act(act{kind: "execute", title: "npm run build"})
			s.wait(41*time.Second).event(&event.AgentError{
				Meta: event.Meta{Source: event.SourceAgent}, ToolName: "terminal", ToolCallID: call,
				Error: "The call was interrupted and the conversation paused.", Classification: event.ClassAgentAction,
			}, nil)
			s.event(&event.Interrupt{Meta: event.Meta{Source: event.SourceUser}}, nil)
			s.state(protocol.StatusPaused, protocol.StopInterrupted)
		},
		"paused": func(s *story) {
			begin(s)
			s.do(func(v *View) { v.Notice("Pausing after go test… Ctrl+C again stops it now.") })
			s.state(protocol.StatusPaused, protocol.StopPaused)
		},
		"rejected": func(s *story) {
			begin(s)
			s.state(protocol.StatusIdle, protocol.StopRejected)
		},
		"finished": func(s *story) {
			begin(s)
			old := "a\nb\nc\n"
			edit := func(path string, before *string, after string) {
				s.did(act{kind: "edit", title: "Edit " + path}, event.Display{Diff: &event.Diff{Path: root + "/" + path, OldText: before, NewText: after}}, 0, "", nil)
			}
			edit("internal/webhook/backoff.go", nil, lines("a", 40))
			edit("internal/webhook/backoff.go", text(lines("a", 40)), lines("a", 46))
			edit("same.go", &old, "x")
			edit("same.go", text("x"), old)
			edit("internal/webhook/dispatcher.go", &old, "a\nB\nc\nd\n")
			s.did(act{kind: "delete", title: "Delete old.go"}, event.Display{Diff: &event.Diff{Path: root + "/old.go", OldText: &old}}, 0, "", nil)
			s.wait(4*time.Minute).spent(0.004, 900, 40, 0).agent("Done: `go test` passes.").state(protocol.StatusFinished, protocol.StopFinished)
		},
	}
	for name, tell := range cases {
		t.Run(name, func(t *testing.T) {
			checkGolden(t, filepath.Join("endings", name), func(s *story) {
				tell(s)
				e := Ending{Short: "7f3a"}
				if name == "interrupted" {
					e.During = "npm run build"
				}
				s.do(func(v *View) { v.End(e) })
			})
		})
	}
}

func TestOddities(t *testing.T) {
	checkGolden(t, "oddities", func(s *story) {
		s.user("Zeile eins\n\tzweite \x1b[31mrot\x1b[0m \u202eaber")
		s.event(&event.SystemPrompt{Meta: event.Meta{Source: event.SourceAgent}}, nil)
		s.event(&event.Condensation{Meta: event.Meta{Source: event.SourceEnvironment}, ForgottenEventIDs: []string{"a", "b"}}, nil)
		s.event(&event.CondensationRequest{Meta: event.Meta{Source: event.SourceEnvironment}}, nil)
		s.event(&event.Condensation{Meta: event.Meta{Source: event.SourceEnvironment}, ForgottenEventIDs: make([]string, 42), Summary: new("USER: x")}, nil)
		s.event(&event.HookExecution{Meta: event.Meta{Source: event.SourceHook}, HookEventType: "PreToolUse", HookCommand: "./check.sh", Blocked: true, Reason: "not on Fridays", ExitCode: 2, Stderr: "no\n"}, nil)
		s.event(&event.ACPToolCall{Meta: event.Meta{Source: event.SourceAgent}, Title: "Look around", ToolKind: "read", Status: "completed"}, nil)
		s.event(&event.Unknown{Meta: event.Meta{ID: "u", Source: event.SourceAgent}, Name: "NewEvent", Raw: []byte(`{"id":"u","timestamp":"","source":"agent","kind":"NewEvent"}`)}, &event.Display{Kind: "system", Title: "Something new"})
		s.event(&event.ConversationError{Meta: event.Meta{Source: event.SourceEnvironment}, Code: "LLMServiceUnavailableError", Detail: "openai: overloaded (HTTP 503)", Classification: event.ClassTransient}, nil)
		s.did(act{kind: "think", title: "Think", tool: "think", actionKind: "ThinkAction", action: map[string]any{"thought": "What if the file is empty?\nThen nothing."}}, event.Display{}, 0, "ok", map[string]any{"kind": "ThinkObservation"})
		s.did(act{kind: "execute", title: "for i in 1 2 3; do\n  echo $i\ndone"}, event.Display{}, 0, "", nil)
		s.did(act{kind: "fetch", title: "https://example.org/" + strings.Repeat("very/", 30)}, event.Display{Status: event.StatusFailed}, 90*time.Second, "\x1b]0;title\x07no route\n10%\r50%\r100%\n", nil)
		s.did(act{kind: "execute", title: "make"}, event.Display{Status: event.StatusFailed, Summary: "exit 2"}, 0, lines("make: ", 14), nil)
		s.send(protocol.NotifyEvent, protocol.EventNotification{Seq: 99, Event: []byte(`{"kind":"MessageEvent","id":3}`), Display: &event.Display{Title: "an event that can't be read"}})
		s.send(protocol.NotifyEvent, protocol.EventNotification{Seq: 100, Event: []byte(`{"id":"m","timestamp":"2026-08-22T14:05:00.000000","source":"agent","llm_message":{"role":"assistant","content":[{"type":"text","text":{"blob":"b1","size":1000,"head":"The beginning","tail":"the end."}}],"thinking_blocks":[]},"kind":"MessageEvent"}`)})
		s.agent("# Heading\n| a | b |\n|---|---|\n| 日本 | 👩‍💻 ✔️ |\n\n1. first item that is long enough to be broken somewhere near the right edge of the page\n2. `x` * y * z and **not closed\n~~~\ncode with a very long line that must not be cut even where the terminal is narrow: 0123456789 0123456789\n```\n~~~")
	})
}

func TestThinkingInFull(t *testing.T) {
	for _, o := range []Options{{TTY: true, Color: true, Width: 60, Thinking: true, Name: "Reviewer"}, {Thinking: true, Name: "Reviewer"}} {
		s := newStory(t)
		s.user("x").wait(3 * time.Second)
		s.did(act{kind: "read", title: "Read a", thinking: "first\n\tsecond thing that goes on for longer than the sixty columns there are", text: "Reading."}, event.Display{}, 0, "", nil)
		var out bytes.Buffer
		s.play(New(&out, &out, o))
		for _, want := range []string{"3s", "second thing", "Reviewer:", "Reading."} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is missing in:\n%s", want, out.String())
			}
		}
	}
}
