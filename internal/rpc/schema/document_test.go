package schema

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

var update = flag.Bool("update", false, "write the generated section of docs/protocol.md")

const (
	documentFile = "../../../docs/protocol.md"
	begin, end   = "<!-- generated -->\n", "<!-- /generated -->\n"
)

// planned are the methods that the protocol is to have one day: each is served,
// or the document says that it is not.
var planned = []string{
	"conversation/condense", "conversation/fork", "conversation/navigate", "conversation/switchModel", "conversation/askAgent",
	"conversation/unsend", "conversation/answer", "conversation/blob", "conversation/requestInput",
	"conversation/changes", "conversation/baseline", "conversation/keepChanges", "conversation/undoChanges",
	"workspace/configuration",
}

// readDocument gives docs/protocol.md in its parts: what is written by hand, of it
// the list of what is not served, and what is generated.
func readDocument(t *testing.T) (written, notServed, generated string) {
	t.Helper()
	raw, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	written, rest, ok := strings.Cut(string(raw), begin)
	generated, after, closed := strings.Cut(rest, end)
	if !ok || !closed || after != "" {
		t.Fatalf("%s must end with %s…%s", documentFile, begin, end)
	}
	written, notServed, ok = strings.Cut(written, "\n## Not served yet\n")
	if !ok {
		t.Fatal("there is no section of what is not served")
	}
	return written, notServed, generated
}

func TestDocumentHoldsTheReference(t *testing.T) {
	written, notServed, generated := readDocument(t)
	want, err := Markdown()
	if err != nil {
		t.Fatal(err)
	}
	want = "\n" + want + "\n"
	if generated == want {
		return
	}
	if !*update {
		t.Fatalf("docs/protocol.md differs from the types (go test ./internal/rpc/schema -update writes it):\n%s", cmp.Diff(generated, want))
	}
	text := written + "\n## Not served yet\n" + notServed + begin + want + end
	if err := os.WriteFile(documentFile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDocumentNamesWhatIsServed(t *testing.T) {
	written, _, _ := readDocument(t)
	for _, m := range protocol.Methods() {
		if !strings.Contains(written, "`"+m.Name+"`") {
			t.Errorf("the text says nothing of %s", m.Name)
		}
	}
	for _, c := range protocol.Codes() {
		if !strings.Contains(written, "| `"+c.Kind()+"` |") {
			t.Errorf("the text says nothing of the error %s", c.Kind())
		}
	}
}

func TestDocumentNamesWhatIsNotServed(t *testing.T) {
	written, notServed, _ := readDocument(t)
	served := map[string]bool{}
	for _, m := range protocol.Methods() {
		served[m.Name] = true
	}
	for _, name := range planned {
		switch listed := strings.Contains(notServed, "`"+name+"`"); {
		case served[name] && listed:
			t.Errorf("%s is served: take it off the list", name)
		case !served[name] && !listed:
			t.Errorf("%s is neither served nor listed as not served", name)
		case !served[name] && strings.Contains(written, "`"+name+"`"):
			t.Errorf("the text speaks of %s, which is not served", name)
		}
	}
}
