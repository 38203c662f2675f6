package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// offer is what a model may call in one step. It never changes.
type offer struct {
	set   *tool.Set
	tools []llm.Tool
	// from are the servers' tools that it was made with.
	from []tool.Tool
}

func newOffer(set *tool.Set, from []tool.Tool) *offer {
	o := &offer{set: set, from: from}
	for _, d := range set.Definitions() {
		o.tools = append(o.tools, llm.Tool{Name: d.Name, Description: d.Description, Parameters: set.Schema(d.Name)})
	}
	return o
}

// offer gives what the model may call now. The first time it starts the servers
// and waits for them, within their time or until ctx ends.
func (a *Agent) offer(ctx context.Context) *offer {
	a.load()
	if a.servers == nil {
		return a.base
	}
	from := a.servers.Tools(ctx)
	a.news.add(a.servers.News()...)
	last := a.current.Load()
	if slices.Equal(last.from, from) {
		return last
	}
	all := a.base.set.All()
	seen := map[string]bool{}
	for _, name := range a.base.set.Names() {
		seen[name] = true
	}
	for _, t := range from {
		name := t.Definition().Name
		switch {
		case !a.keeps(name):
		case seen[name]:
			a.news.once(fmt.Sprintf("A tool of an MCP server is left out: the agent has one that is named %q already.", name))
		default:
			seen[name] = true
			all = append(all, t)
		}
	}
	set, err := tool.NewSet(all...)
	if err != nil {
		a.deps.Log.Error("the tools of MCP servers", "conversation", a.env.ConversationID, "error", err)
		return last
	}
	next := newOffer(set, from)
	a.current.Store(next)
	return next
}

// lastOffer is what the model could call last; nothing is started or waited for.
func (a *Agent) lastOffer() *offer {
	a.load()
	return a.current.Load()
}

// news is what the model should be told at its next step, in order.
type news struct {
	mu    sync.Mutex
	texts []string
	told  map[string]bool
}

func (n *news) add(texts ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.texts = append(n.texts, texts...)
}

// once adds a text that was not added in this way before.
func (n *news) once(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.told == nil {
		n.told = map[string]bool{}
	}
	if !n.told[text] {
		n.told[text] = true
		n.texts = append(n.texts, text)
	}
}

func (n *news) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	texts := n.texts
	n.texts = nil
	return texts
}

// putBack gives back what could not be told.
func (n *news) putBack(texts []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.texts = append(slices.Clone(texts), n.texts...)
}

// withNews puts what the model should know behind the messages, as the log will
// have it: one turn of the user's side.
func withNews(messages []event.LLMMessage, news []string) []event.LLMMessage {
	if len(news) == 0 {
		return messages
	}
	messages = slices.Clone(messages)
	if n := len(messages); n == 0 || messages[n-1].Role != event.RoleUser {
		messages = append(messages, event.LLMMessage{Role: event.RoleUser})
	}
	last := &messages[len(messages)-1]
	last.Content = slices.Clone(last.Content)
	for _, text := range news {
		last.Content = append(last.Content, event.Text(text))
	}
	return messages
}
