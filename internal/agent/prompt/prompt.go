// Package prompt holds what the agent is told at the start of a conversation:
// a static text, which providers can cache, and a few facts about this
// conversation. It does no I/O.
package prompt

import (
	_ "embed"
	"fmt"
	"runtime"
	"strings"
	"text/template"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
)

var (
	//go:embed system.md
	systemText string
	//go:embed context.md
	contextText string

	systemTemplate  = template.Must(template.New("system.md").Parse(systemText))
	contextTemplate = template.Must(template.New("context.md").Parse(contextText))
)

// System is the static part; risk asks the model to rate its calls.
func System(risk bool) string {
	return render(systemTemplate, struct{ Risk bool }{risk})
}

// Facts are what the agent is told of the conversation.
type Facts struct {
	Workspace string
	Secrets   []secret.Info
	Now       time.Time
}

// Context is the part that differs from one conversation to the next.
func Context(f Facts) string {
	return render(contextTemplate, struct {
		Workspace, OS, Now string
		Secrets            []secret.Info
	}{f.Workspace, runtime.GOOS + "/" + runtime.GOARCH, f.Now.Format("2006-01-02T15:04"), f.Secrets})
}

func render(t *template.Template, data any) string {
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		panic(fmt.Sprintf("prompt %s: %v", t.Name(), err)) // the templates are ours, a test renders them
	}
	return strings.TrimSpace(b.String())
}
