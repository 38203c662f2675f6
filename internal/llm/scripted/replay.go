package scripted

import (
	"bytes"
	"fmt"
	"os"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// OpenReplay makes a model that plays what [Record] wrote, in order and in the
// same chunks, at once or with the delays it had. A request that differs from
// the recorded one is answered all the same, and opts.Log is told. Lines that
// can't be read, such as the last one of a process that was killed, are passed
// over and logged.
//
// A recording is a script too: played as one it takes as long as it took.
func OpenReplay(path string, opts Options) (*Model, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("opening the recording: %w", err)
	}
	return parseReplay(path, data, opts)
}

func parseReplay(name string, data []byte, opts Options) (*Model, error) {
	p := parser{script: &script{name: name, queues: map[purpose][]answer{}, resume: true}}
	m := newModel(p.script, "replay", opts)
	read := 0
	for i, l := range bytes.Split(data, []byte{'\n'}) {
		l = bytes.TrimSpace(l)
		if len(l) == 0 {
			continue
		}
		if err := p.entry(l); err != nil {
			m.opts.Log.Warn("a line of the recording was passed over", "recording", name, "line", i+1, "error", err)
			continue
		}
		read++
	}
	if read == 0 {
		return nil, fmt.Errorf("the recording %s holds no answer", name)
	}
	return m, nil
}

// compare logs how a request differs from the one that was recorded.
func (m *Model) compare(a *answer, req *llm.Request, workspace string) {
	if a.want == nil {
		return
	}
	var (
		last event.Role
		text string
		n    = len(req.Messages)
	)
	if n > 0 {
		last, text = req.Messages[n-1].Role, req.Messages[n-1].Text()
	}
	same := hashText(withoutWorkspace(text, workspace)) == a.want.Hash || hashText(text) == a.want.Hash || a.want.Hash == ""
	if n == a.want.Messages && last == a.want.Last && same {
		return
	}
	m.opts.Log.Warn("the request differs from the recorded one",
		"recording", m.script.name, "messages", n, "recorded_messages", a.want.Messages,
		"last", last, "recorded_last", a.want.Last, "same_text", same)
}
