package fileeditor

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/tool"
)

func (f *fixture) mustRun(action json.RawMessage) {
	if _, err := f.tool.Run(f.t.Context(), tool.Call{Action: action}); err != nil {
		f.t.Fatal(err)
	}
}

func BenchmarkView(b *testing.B) {
	f := newFixture(b, Options{})
	f.write("f", strings.Repeat("\tif err != nil { return err }\n", 200))
	action := f.action(args{"command": "view", "path": "f"})
	b.ReportAllocs()
	for b.Loop() {
		f.mustRun(action)
	}
}

func BenchmarkStrReplace(b *testing.B) {
	f := newFixture(b, Options{})
	f.write("f", strings.Repeat("\tif err != nil { return err }\n", 200)+"left")
	there := f.action(args{"command": "str_replace", "path": "f", "old_str": "left", "new_str": "right"})
	back := f.action(args{"command": "str_replace", "path": "f", "old_str": "right", "new_str": "left"})
	b.ReportAllocs()
	for b.Loop() {
		f.mustRun(there)
		f.mustRun(back)
	}
}

func BenchmarkDescribe(b *testing.B) {
	f := newFixture(b, Options{})
	f.write("f", strings.Repeat("\tif err != nil { return err }\n", 200)+"left")
	action := f.action(args{"command": "str_replace", "path": "f", "old_str": "left", "new_str": "right"})
	b.ReportAllocs()
	for b.Loop() {
		f.tool.Describe(action, nil)
	}
}
