package stuck_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stuck"
)

// history writes events in words:
//
//	user, agent, env    a message
//	do:X                a call X of the terminal
//	bad:X               a call with arguments X that was not valid
//	out:X               an observation X
//	err:X  no:X         an error X, a rejection
//	summary, pause      other events
func history(words string) []event.Event {
	var log []event.Event
	for i, word := range strings.Fields(words) {
		what, text, _ := strings.Cut(word, ":")
		id := strconv.Itoa(i)
		meta := event.Meta{ID: "e" + id, Timestamp: "t" + id, Source: event.SourceEnvironment}
		of := func(s event.Source) event.Meta { m := meta; m.Source = s; return m }
		var e event.Event
		switch what {
		case "user", "agent", "env":
			source := map[string]event.Source{"user": event.SourceUser, "agent": event.SourceAgent, "env": event.SourceEnvironment}[what]
			e = &event.Message{Meta: of(source), LLMMessage: event.LLMMessage{Content: []event.Content{event.Text(text)}}}
		case "do":
			e = &event.Action{
				Meta: of(event.SourceAgent), ToolName: "terminal", ToolCallID: "c" + id, LLMResponseID: "r" + id,
				Action:   json.RawMessage(`{"command":"` + text + `","kind":"TerminalAction"}`),
				ToolCall: event.ToolCall{ID: "c" + id, Arguments: `{"command":"` + text + `","summary":"` + id + `"}`},
				Summary:  "summary " + id, SecurityRisk: event.RiskLow,
			}
		case "bad":
			e = &event.Action{Meta: of(event.SourceAgent), ToolName: "terminal", ToolCallID: "c" + id, ToolCall: event.ToolCall{Arguments: text}}
		case "out":
			e = &event.Observation{Meta: meta, ToolName: "terminal", ActionID: id, Observation: json.RawMessage(`{"content":"` + text + `"}`)}
		case "err":
			e = &event.AgentError{Meta: of(event.SourceAgent), ToolName: "terminal", Error: text}
		case "no":
			e = &event.UserReject{Meta: meta, ToolName: "terminal", RejectionReason: text}
		case "summary":
			e = &event.CondensationSummary{Meta: meta}
		case "pause":
			e = &event.Pause{Meta: of(event.SourceUser)}
		default:
			panic(word)
		}
		log = append(log, e)
	}
	return log
}

func times(n int, words string) string { return strings.Repeat(words+" ", n) }

const nudge = "nudge"

func TestCheck(t *testing.T) {
	alternating := "do:a out:1 do:b out:2 "
	for name, c := range map[string]struct{ words, want string }{
		"nothing":                 {"", ""},
		"too short":               {"do:a out:1", ""},
		"different calls":         {"user do:a out:1 do:b out:2 do:c out:3 do:d out:4 do:e out:5", ""},
		"three times the same":    {"user " + times(3, "do:a out:1"), ""},
		"four times the same":     {"user " + times(4, "do:a out:1"), stuck.PatternRepeat},
		"other results":           {"user do:a out:1 do:a out:2 do:a out:1 do:a out:2", ""},
		"other calls":             {"user do:a out:1 do:b out:1 do:a out:1 do:a out:1", ""},
		"no user needed":          {times(4, "do:a out:1"), stuck.PatternRepeat},
		"a user message resets":   {times(4, "do:a out:1") + "user", ""},
		"and in between":          {times(2, "do:a out:1") + "user " + times(2, "do:a out:1"), ""},
		"a nudge does not reset":  {times(2, "do:a out:1") + "env " + times(2, "do:a out:1"), stuck.PatternRepeat},
		"a pause does not either": {times(4, "do:a out:1") + "pause", stuck.PatternRepeat},
		"a parallel batch":        {times(4, "do:a") + times(4, "out:1"), stuck.PatternRepeat},
		"four rejections":         {times(4, "do:a no:1"), ""},

		"two errors":                  {"user " + times(2, "do:a err:1"), ""},
		"three errors":                {"user " + times(3, "do:a err:1"), nudge},
		"three errors of any text":    {"user do:a err:1 do:a err:2 do:a err:3", nudge},
		"three errors of other calls": {"user do:a err:1 do:b err:1 do:a err:1", ""},
		"an older call is no matter":  {"user do:b out:1 " + times(3, "do:a err:1"), nudge},
		"four errors":                 {"user do:a err:1 do:a err:2 do:a err:3 do:a err:4", stuck.PatternError},
		"four errors of one text":     {"user " + times(4, "do:a err:1"), stuck.PatternRepeat},
		"a success in between":        {"user do:a err:1 do:a err:2 do:a out:1 do:a err:3", ""},
		"a failed command is none":    {"user " + times(3, "do:a out:error"), ""},
		"invalid calls":               {"user " + times(3, "bad:{ err:1"), nudge},
		"other invalid calls":         {"user bad:{ err:1 bad:[ err:1 bad:( err:1 bad:} err:1", ""},

		"two messages":                {"user agent agent", ""},
		"three messages":              {"user agent agent agent", stuck.PatternMonologue},
		"nudges don't end it":         {"user agent env agent env agent env", stuck.PatternMonologue},
		"nudges don't count":          {"user agent env env env agent", ""},
		"a summary does not end it":   {"user agent agent summary agent", stuck.PatternMonologue},
		"a call ends it":              {"user agent agent do:a out:1 agent", ""},
		"another event ends it":       {"user agent agent pause agent", ""},
		"a user message ends it":      {"agent agent user agent", ""},
		"six alternating":             {"user " + times(3, alternating), stuck.PatternAlternating},
		"five alternating":            {"user do:b out:2 " + times(2, alternating), ""},
		"alternating errors":          {"user " + times(3, "do:a err:1 do:b out:2"), stuck.PatternAlternating},
		"alternating, other results":  {"user do:a out:1 do:b out:2 do:a out:3 do:b out:4 do:a out:5 do:b out:6", ""},
		"alternating among three":     {"user " + times(3, "do:a out:1 do:b out:2 do:c out:3"), ""},
		"rejections don't alternate":  {"user " + times(3, "do:a no:1 do:b out:2"), ""},
		"alternating over a user":     {times(2, alternating) + "user " + alternating, ""},
		"what is long ago is no loop": {times(4, "do:a out:1") + times(5, "do:b out:1 do:c out:2 do:d out:3"), ""},
	} {
		t.Run(name, func(t *testing.T) { check(t, stuck.Detector{}, c.words, c.want) })
	}
}

func check(t *testing.T, d stuck.Detector, words, want string) {
	t.Helper()
	v := d.Check(history(words))
	switch got := v; {
	case want == nudge:
		if got.Stuck || got.Nudge == "" || got.Pattern != stuck.PatternError || got.Detail == "" {
			t.Errorf("%s: want a nudge, got %+v", words, got)
		}
	case got.Pattern != want || got.Stuck != (want != "") || (got.Detail == "") != (want == "") || got.Nudge != "":
		t.Errorf("%s: want %q, got %+v", words, want, got)
	}
}

func TestThresholdsMatter(t *testing.T) {
	for name, c := range map[string]struct{ json, words, want string }{
		"repeat 2":           {`{"action_observation":2}`, "user " + times(2, "do:a out:1"), stuck.PatternRepeat},
		"repeat 6, five":     {`{"action_observation":6}`, "user " + times(5, "do:a out:1"), ""},
		"error 1, one":       {`{"action_error":1}`, "user do:a err:1", nudge},
		"error 1, two":       {`{"action_error":1}`, "user do:a err:1 do:a err:2", stuck.PatternError},
		"error 5, four":      {`{"action_error":5}`, "user do:a err:1 do:a err:2 do:a err:3 do:a err:4", ""},
		"monologue 2":        {`{"monologue":2}`, "user agent agent", stuck.PatternMonologue},
		"monologue 5, four":  {`{"monologue":5}`, "user agent agent agent agent", ""},
		"alternating 4":      {`{"alternating_pattern":4}`, "user " + times(2, "do:a out:1 do:b out:2"), stuck.PatternAlternating},
		"alternating 1":      {`{"alternating_pattern":1}`, "user do:a out:1 do:b out:2 do:c out:3", ""},
		"beyond the window":  {`{"alternating_pattern":14}`, "user " + times(7, "do:a out:1 do:b out:2"), stuck.PatternAlternating},
		"defaults of absent": {`{}`, "user " + times(4, "do:a out:1"), stuck.PatternRepeat},
		"null":               {`null`, "user " + times(4, "do:a out:1"), stuck.PatternRepeat},
	} {
		t.Run(name, func(t *testing.T) {
			var d stuck.Detector
			if err := json.Unmarshal([]byte(c.json), &d.Thresholds); err != nil {
				t.Fatal(err)
			}
			check(t, d, c.words, c.want)
		})
	}
}

func TestThresholdsJSON(t *testing.T) {
	raw, err := json.Marshal(stuck.Defaults())
	if want := `{"action_observation":4,"action_error":3,"monologue":3,"alternating_pattern":6}`; err != nil || string(raw) != want {
		t.Errorf("%s, %v", raw, err)
	}
	for bad, word := range map[string]string{
		`{"monologue":0}`:           "monologue",
		`{"action_error":-1}`:       "action_error",
		`{"action_observation":0}`:  "action_observation",
		`{"alternating_pattern":0}`: "alternating_pattern",
		`{"monologue":"x"}`:         "monologue",
		`[]`:                        "thresholds",
	} {
		var got stuck.Thresholds
		if err := json.Unmarshal([]byte(bad), &got); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func FuzzThresholds(f *testing.F) {
	f.Add([]byte(`{"action_observation":4,"action_error":3,"monologue":3,"alternating_pattern":6}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var d stuck.Detector
		if json.Unmarshal(raw, &d.Thresholds) != nil {
			return
		}
		written, err := json.Marshal(d.Thresholds)
		if err != nil {
			t.Fatal(err)
		}
		var again stuck.Thresholds
		if err := json.Unmarshal(written, &again); err != nil || again != d.Thresholds {
			t.Fatalf("%s: %+v, %v", written, again, err)
		}
		d.Check(history("user " + times(8, "do:a err:1")))
	})
}

// TestNudge follows one run: a nudge, none while nothing happens, then either a
// way out or the end.
func TestNudge(t *testing.T) {
	var d stuck.Detector
	log := history("user do:a err:1 do:a err:2 do:a err:why")
	v := d.Check(log)
	for _, word := range []string{"terminal", "3 times", "why"} {
		if !strings.Contains(v.Nudge, word) {
			t.Errorf("the nudge lacks %q: %s", word, v.Nudge)
		}
	}
	log = append(log, &event.Message{
		Meta:       event.Meta{ID: "n", Source: event.SourceEnvironment},
		LLMMessage: event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(v.Nudge)}},
	})
	for name, c := range map[string]struct{ more, want string }{
		"nothing happens":           {"", ""},
		"an answer, nothing else":   {"agent env agent", ""},
		"the loop is something new": {"agent agent agent", stuck.PatternMonologue},
		"the same again":            {"do:a err:4", stuck.PatternError},
		"another call":              {"do:b out:1", ""},
		"another call that fails":   {"do:b err:1 do:b err:1 do:b err:1", nudge},
	} {
		t.Run(name, func(t *testing.T) {
			got := d.Check(append(log[:len(log):len(log)], history(c.more)...))
			if c.want == nudge {
				if got.Nudge == "" {
					t.Errorf("%+v", got)
				}
			} else if got.Nudge != "" || got.Pattern != c.want {
				t.Errorf("%+v", got)
			}
		})
	}
	long := history("user do:a err:1 do:a err:2 do:a err:" + strings.Repeat("é", 9000))
	if v := d.Check(long); len(v.Nudge) > 1500 || !strings.Contains(v.Nudge, "...") {
		t.Errorf("the nudge has %d bytes", len(v.Nudge))
	}
}

// TestEqualityIsByValue holds that JSON written differently is the same.
func TestEqualityIsByValue(t *testing.T) {
	log := history("user " + times(4, "do:a out:1"))
	log[1].(*event.Action).Action = json.RawMessage(`{ "kind": "TerminalAction", "command": "a" }`)
	log[4].(*event.Observation).Observation = json.RawMessage(`{ "content" : "1" }`)
	if v := (&stuck.Detector{}).Check(log); v.Pattern != stuck.PatternRepeat {
		t.Errorf("%+v", v)
	}
	log[1].(*event.Action).Thought = []event.Content{event.Text("now I see")}
	if v := (&stuck.Detector{}).Check(log); v.Stuck {
		t.Errorf("another thought: %+v", v)
	}
}

func words(t *rapid.T) []string {
	return rapid.SliceOfN(rapid.SampledFrom([]string{
		"agent", "env", "do:a", "do:b", "bad:{", "out:1", "out:2", "err:1", "err:2", "no:x", "summary", "pause",
	}), 0, 40).Draw(t, "words")
}

func TestAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d stuck.Detector
		list := words(t)
		log := history(strings.Join(list, " "))
		v := d.Check(log)
		if v.Stuck && v.Nudge != "" || v.Stuck != (v.Pattern != "" && v.Nudge == "") {
			t.Fatalf("%+v", v)
		}
		// Only the window counts, and whatever comes before a user's message does not.
		before := history(strings.Join(words(t), " ") + " user")
		if got := d.Check(append(before, log[max(0, len(log)-20):]...)); got != v && len(log) >= 20 {
			t.Fatalf("after a user message: %+v, alone %+v", got, v)
		}
		if got := d.Check(append(history(strings.Join(words(t), " ")), log[max(0, len(log)-20):]...)); got != v && len(log) >= 20 {
			t.Fatalf("after other events: %+v, alone %+v", got, v)
		}
		// A user's message always gives a new start.
		if got := d.Check(append(log[:len(log):len(log)], history("user")...)); got != (stuck.Verdict{}) {
			t.Fatalf("after a user message: %+v", got)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	log := history(times(2000, "do:a out:1 do:b out:2 do:c out:3"))
	var d stuck.Detector
	b.ReportAllocs()
	for b.Loop() {
		d.Check(log)
	}
}
