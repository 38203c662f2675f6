package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

func TestAnswers(t *testing.T) {
	const schema = `{"type":"object","required":["city","nights"],"properties":{"city":{"type":"string","enum":["Rome","Paris"]},` +
		`"nights":{"type":"integer","minimum":1,"title":"Nights"},"quiet":{"type":"boolean"},"note":{"type":"string"}}}`
	for _, tt := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"all", []string{"2", "3", "1", "by the river"}, `{"city":"Paris","nights":3,"note":"by the river","quiet":true}`},
		{"by name, and nothing", []string{"rome", "1", "", " "}, `{"city":"Rome","nights":1}`},
		{"asked again", []string{"", "3", "Berlin", "1", "two", "2", "no", ""}, `{"city":"Rome","nights":2,"quiet":false}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAnswers(protocol.Pending{Schema: json.RawMessage(schema)})
			for _, line := range tt.lines {
				field, prompt := a.field(), a.prompt()
				if field == nil || !strings.Contains(prompt, field.Title) {
					t.Fatalf("at %q the prompt is %q", line, prompt)
				}
				a.line = line
				if ok := a.take(); ok != (a.wanted == "") {
					t.Errorf("%q is taken: %t, %q", line, ok, a.wanted)
				}
			}
			if got, _ := json.Marshal(a.given); a.field() != nil || string(got) != tt.want {
				t.Errorf("given %s, want %s", got, tt.want)
			}
		})
	}
	broken := newAnswers(protocol.Pending{Schema: json.RawMessage(`{"type":"array"}`)})
	if broken.take() || broken.field() != nil {
		t.Error("a form that can't be read was answered")
	}
	empty := newAnswers(protocol.Pending{Schema: json.RawMessage(`{"type":"object"}`)})
	if !empty.take() || empty.field() != nil {
		t.Error("a form without fields can't be sent")
	}
}

func TestEdit(t *testing.T) {
	for _, tt := range []struct {
		text, keys, want string
		end              int
	}{
		{"", "héllo", "héllo", typing},
		{"hé", "\x7f", "h", typing},
		{"abc", "\x15x", "x", typing},
		{"ab", "c\rmore", "abc", entered},
		{"ab", "\x1b", "ab", escaped},
		{"ab", "\x1b[A", "ab", typing},
		{"", "a\x00\tb", "ab", typing},
	} {
		if got, end := edit(tt.text, tt.keys); got != tt.want || end != tt.end {
			t.Errorf("%q and %q: %q %d, want %q %d", tt.text, tt.keys, got, end, tt.want, tt.end)
		}
	}
}
