package rpc

import (
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// A change that is too long is left out of the display, which stays what it was
// for others.
func TestDisplayOfALongChange(t *testing.T) {
	long, short := strings.Repeat("x", 301), strings.Repeat("x", 300)
	tests := []struct {
		name  string
		diff  *event.Diff
		limit int
		whole bool
	}{
		{"short", &event.Diff{OldText: &short, NewText: short}, 300, true},
		{"long", &event.Diff{NewText: long}, 300, false},
		{"was long", &event.Diff{OldText: &long, NewText: short}, 300, false},
		{"no limit", &event.Diff{NewText: long}, 0, true},
		{"no change", nil, 300, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &event.Display{Title: "Edit", Diff: tt.diff}
			got := toDisplay(d, tt.limit)
			if (got == d) != tt.whole || got.Title != "Edit" || !tt.whole && got.Diff != nil || d.Diff != tt.diff {
				t.Errorf("%+v became %+v", d, got)
			}
		})
	}
	if toDisplay(nil, 300) != nil {
		t.Error("nothing became something")
	}
}

func TestMaxEventBytes(t *testing.T) {
	block := func(text string) string {
		return `{"processId":null,"rootUri":null,"capabilities":{},"initializationOptions":{"agentRpc":` + text + `}}`
	}
	for text, want := range map[string]int{
		`{"processId":null,"rootUri":null,"capabilities":{}}`: 0,
		block(`{}`):                          256 << 10,
		block(`true`):                        256 << 10,
		block(`{"maxEventBytes":0}`):         256 << 10,
		block(`{"maxEventBytes":1000}`):      1000,
		block(`{"maxEventBytes":1}`):         256,
		block(`{"maxEventBytes":999999999}`): 999999999,
	} {
		c, err := parseClient([]byte(text))
		if err != nil || c.maxEventBytes() != want {
			t.Errorf("%s: %v, %v; want %d", text, c, err, want)
		}
	}
	if _, err := parseClient([]byte(block(`{"maxEventBytes":-1}`))); err == nil || !strings.Contains(err.Error(), "maxEventBytes") {
		t.Error(err)
	}
}
