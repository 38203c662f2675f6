package policy_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
)

var risks = []event.Risk{event.RiskUnknown, event.RiskLow, event.RiskMedium, event.RiskHigh}

// TestPolicies holds the JSON of a policy and for which of UNKNOWN, LOW, MEDIUM
// and HIGH it asks.
func TestPolicies(t *testing.T) {
	for _, c := range []struct{ in, out, asks string }{
		{`{"kind":"AlwaysConfirm"}`, `{"kind":"AlwaysConfirm"}`, "UNKNOWN LOW MEDIUM HIGH"},
		{`{"kind":"NeverConfirm","more":1}`, `{"kind":"NeverConfirm"}`, ""},
		{`{"kind":"ConfirmRisky"}`, `{"threshold":"HIGH","confirm_unknown":true,"kind":"ConfirmRisky"}`, "UNKNOWN HIGH"},
		{`{"kind":"ConfirmRisky","threshold":"MEDIUM"}`, `{"threshold":"MEDIUM","confirm_unknown":true,"kind":"ConfirmRisky"}`, "UNKNOWN MEDIUM HIGH"},
		{`{"threshold":"LOW","confirm_unknown":false,"kind":"ConfirmRisky"}`, `{"threshold":"LOW","confirm_unknown":false,"kind":"ConfirmRisky"}`, "LOW MEDIUM HIGH"},
		{`{"kind":"ConfirmRisky","confirm_unknown":false}`, `{"threshold":"HIGH","confirm_unknown":false,"kind":"ConfirmRisky"}`, "HIGH"},
	} {
		p, err := policy.Parse([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if raw, err := json.Marshal(p); err != nil || string(raw) != c.out {
			t.Errorf("%s is written as %s, %v", c.in, raw, err)
		}
		var asks []string
		for _, r := range risks {
			if p.ShouldConfirm(r) {
				asks = append(asks, string(r))
			}
		}
		if got := strings.Join(asks, " "); got != c.asks {
			t.Errorf("%s asks for %q, want %q", c.in, got, c.asks)
		}
		if p.Active() != (c.asks != "") {
			t.Errorf("%s: active is %t", c.in, p.Active())
		}
	}
}

func TestZeroPolicyNeverAsks(t *testing.T) {
	var p policy.Confirmation
	if raw, err := json.Marshal(p); err != nil || string(raw) != `{"kind":"NeverConfirm"}` || p.Active() || p != policy.Never() {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for raw, words := range map[string][]string{
		`{"kind":"Sometimes"}`: {`"Sometimes"`, "AlwaysConfirm", "NeverConfirm", "ConfirmRisky"},
		`{}`:                   {"no kind", "AlwaysConfirm", "NeverConfirm", "ConfirmRisky"},
		`null`:                 {"no kind"},
		`[]`:                   {"confirmation policy"},
		``:                     {"confirmation policy"},
		`{"kind":5}`:           {"confirmation policy"},
		`{"kind":"ConfirmRisky","threshold":"UNKNOWN"}`:     {"UNKNOWN", "LOW, MEDIUM or HIGH"},
		`{"kind":"ConfirmRisky","threshold":"high"}`:        {"high"},
		`{"kind":"ConfirmRisky","threshold":""}`:            {"threshold"},
		`{"kind":"ConfirmRisky","confirm_unknown":"maybe"}`: {"confirm_unknown"},
	} {
		_, err := policy.Parse([]byte(raw))
		if err == nil {
			t.Errorf("%s was read", raw)
			continue
		}
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q lacks %q", raw, err, word)
			}
		}
	}
	var kind *policy.KindError
	if _, err := policy.Parse([]byte(`{"kind":"X"}`)); !errors.As(err, &kind) || kind.Kind != "X" || len(kind.Known) != 3 {
		t.Errorf("not a KindError: %v", err)
	}
}

// kinds are the analyzers that this package itself has.
var kinds = policy.Kinds{policy.KindLLMSecurityAnalyzer: policy.ParseLLM}

func TestParseAnalyzer(t *testing.T) {
	for _, none := range []string{``, `null`, ` null `} {
		if a, err := kinds.Parse([]byte(none)); a != nil || err != nil {
			t.Errorf("%q: %v, %v", none, a, err)
		}
	}
	a, err := kinds.Parse([]byte(`{"kind":"LLMSecurityAnalyzer"}`))
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := json.Marshal(a); err != nil || string(raw) != `{"kind":"LLMSecurityAnalyzer"}` || a.Kind() != policy.KindLLMSecurityAnalyzer {
		t.Errorf("%s, %v", raw, err)
	}
	for in, want := range map[event.Risk]event.Risk{event.RiskLow: event.RiskLow, event.RiskHigh: event.RiskHigh, "": event.RiskUnknown} {
		if got, err := a.Judge(&event.Action{SecurityRisk: in}); got.Risk != want || err != nil {
			t.Errorf("%q: %s, %v", in, got.Risk, err)
		}
	}
	for _, kind := range []string{"PatternSecurityAnalyzer", "GraySwanAnalyzer", "ToolShieldLLMSecurityAnalyzer"} {
		var unsupported *policy.UnsupportedError
		_, err := kinds.Parse([]byte(`{"kind":"` + kind + `","analyzers":[]}`))
		if !errors.As(err, &unsupported) || unsupported.Kind != kind || !strings.Contains(err.Error(), "LLMSecurityAnalyzer") {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, bad := range []string{`{"kind":"X"}`, `{}`} {
		var unknown *policy.KindError
		if _, err := kinds.Parse([]byte(bad)); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "LLMSecurityAnalyzer") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := kinds.Parse([]byte(`[`)); err == nil {
		t.Error("broken JSON was read")
	}
}

// analyzer judges by the name of the tool.
type analyzer struct{}

func (analyzer) Kind() string { return "Test" }

func (analyzer) Judge(a *event.Action) (policy.Verdict, error) {
	switch a.ToolName {
	case "fails":
		return policy.Verdict{Risk: event.RiskLow}, errors.New("can't tell")
	case "panics":
		panic("can't tell")
	case "odd":
		return policy.Verdict{Risk: "ODD"}, nil
	case "heavy":
		return policy.Verdict{Risk: event.RiskMedium, Reason: "it is heavy"}, nil
	}
	return policy.Verdict{Risk: event.Risk(strings.ToUpper(a.ToolName))}, nil
}

func TestDecide(t *testing.T) {
	risky, err := policy.Risky(event.RiskHigh, true)
	if err != nil {
		t.Fatal(err)
	}
	calm, err := policy.Risky(event.RiskMedium, false)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		policy   policy.Confirmation
		analyzer policy.Analyzer
		tools    string // with a ! where the call was not valid
		confirm  bool
		risks    string
		reason   string
	}{
		"nothing":                        {policy.Always(), nil, "", false, "", ""},
		"nothing valid":                  {policy.Always(), nil, "high!", false, "UNKNOWN", ""},
		"never":                          {policy.Never(), analyzer{}, "high", false, "HIGH", ""},
		"always":                         {policy.Always(), nil, "low", true, "UNKNOWN", "every action is to be confirmed"},
		"a lone finish":                  {policy.Always(), nil, "finish", false, "UNKNOWN", ""},
		"a lone question":                {policy.Always(), nil, "ask_user", false, "UNKNOWN", ""},
		"a lone think":                   {policy.Always(), nil, "think", false, "UNKNOWN", ""},
		"a finish beside an invalid one": {policy.Always(), nil, "low! finish", false, "UNKNOWN UNKNOWN", ""},
		"two finishes":                   {policy.Always(), nil, "finish finish", true, "UNKNOWN UNKNOWN", "every action is to be confirmed; every action is to be confirmed"},
		"think and another":              {risky, analyzer{}, "think high", true, "HIGH HIGH", "its risk is HIGH; its risk is HIGH"},
		"no analyzer, unknown asks":      {risky, nil, "low", true, "UNKNOWN", "its risk is not known"},
		"no analyzer, unknown passes":    {calm, nil, "high", false, "UNKNOWN", ""},
		"one of many asks for all":       {calm, analyzer{}, "low medium unknown", true, "LOW MEDIUM UNKNOWN", "its risk is MEDIUM"},
		"below the threshold":            {risky, analyzer{}, "low medium", false, "LOW MEDIUM", ""},
		"an analyzer that says why":      {calm, analyzer{}, "heavy", true, "MEDIUM", "it is heavy"},
		"an analyzer that fails":         {calm, analyzer{}, "fails", true, "HIGH", "it could not be judged: can't tell"},
		"an analyzer that panics":        {calm, analyzer{}, "panics", true, "HIGH", "it could not be judged: Test broke: can't tell"},
		"an analyzer that makes it up":   {calm, analyzer{}, "odd", true, "HIGH", "its risk is HIGH"},
	} {
		t.Run(name, func(t *testing.T) {
			var actions []*event.Action
			for _, word := range strings.Fields(c.tools) {
				tool, bad := strings.CutSuffix(word, "!")
				a := &event.Action{ToolName: tool}
				if !bad {
					a.Action = json.RawMessage(`{}`)
				}
				actions = append(actions, a)
			}
			confirm := false
			var words, reasons []string
			for _, j := range policy.Decide(c.policy, c.analyzer, actions) {
				words = append(words, string(j.Risk))
				if confirm = confirm || j.Ask; j.Ask {
					reasons = append(reasons, j.Reason)
				} else if j.Reason != "" {
					t.Errorf("a reason where nothing asks: %q", j.Reason)
				}
			}
			if reason := strings.Join(reasons, "; "); confirm != c.confirm || strings.Join(words, " ") != c.risks || reason != c.reason {
				t.Errorf("got %t, %v, %q", confirm, words, reason)
			}
		})
	}
}

func TestAtLeast(t *testing.T) {
	order := []event.Risk{event.RiskLow, event.RiskMedium, event.RiskHigh}
	for _, a := range append(risks, "ODD") {
		for _, b := range risks {
			i, j := slices.Index(order, a), slices.Index(order, b)
			if a == "ODD" {
				i = 2
			}
			if want := i >= 0 && j >= 0 && i >= j; policy.AtLeast(a, b) != want {
				t.Errorf("%s at least %s: %t", a, b, !want)
			}
		}
	}
}

func TestAnyPolicyRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		risky, err := policy.Risky(rapid.SampledFrom(risks[1:]).Draw(t, "threshold"), rapid.Bool().Draw(t, "unknown"))
		if err != nil {
			t.Fatal(err)
		}
		p := rapid.SampledFrom([]policy.Confirmation{policy.Always(), policy.Never(), risky}).Draw(t, "policy")
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := policy.Parse(raw); err != nil || again != p {
			t.Fatalf("%s: %v, %v", raw, again, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"threshold":"LOW","confirm_unknown":false,"kind":"ConfirmRisky"}`))
	f.Add([]byte(`{"kind":"LLMSecurityAnalyzer"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if p, err := policy.Parse(raw); err == nil {
			written, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			again, err := policy.Parse(written)
			if diff := cmp.Diff(p.Kind(), again.Kind()); err != nil || diff != "" {
				t.Fatalf("%s: %v %s", written, err, diff)
			}
		}
		if a, err := kinds.Parse(raw); a != nil && err != nil {
			t.Fatalf("%v and %v", a, err)
		}
	})
}
