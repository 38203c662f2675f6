package openai

import (
	"crypto/rand"
	"encoding/json"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// responseEvent is an event of a response's stream, as far as it is used.
type responseEvent struct {
	Type         string          `json:"type"`
	OutputIndex  int             `json:"output_index"`
	SummaryIndex int             `json:"summary_index"`
	ContentIndex int             `json:"content_index"`
	Delta        json.RawMessage `json:"delta"`
	Item         *responseItem   `json:"item"`
	Response     *responseObject `json:"response"`
	Error        json.RawMessage `json:"error"`
}

// responseObject is a response, whole or not.
type responseObject struct {
	ID         string          `json:"id"`
	Status     string          `json:"status"`
	Output     []responseItem  `json:"output"`
	Usage      *usage          `json:"usage"`
	Error      json.RawMessage `json:"error"`
	Incomplete *struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
}

type responseItem struct {
	Type             string         `json:"type"`
	ID               string         `json:"id"`
	CallID           string         `json:"call_id"`
	Name             string         `json:"name"`
	Arguments        string         `json:"arguments"`
	Content          []responsePart `json:"content"`
	Summary          []responsePart `json:"summary"`
	EncryptedContent string         `json:"encrypted_content"`
	Status           string         `json:"status"`
}

type responsePart struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Refusal string `json:"refusal"`
}

// items builds one answer from a response's output items, and hands out the
// pieces as they come.
type items struct {
	emit   func(llm.Chunk)
	id     string
	open   map[int]*item
	list   []*item
	calls  int
	usage  llm.Usage
	finish string
	// said and thought tell whether text and reasoning have begun, for the
	// breaks between their parts.
	said, thought strings.Builder
	// done: the server said that nothing follows.
	done bool
}

// item is an output item under way.
type item struct {
	responseItem
	args strings.Builder
	call int
	// wrote: a piece of it was handed out.
	wrote bool
	// part is the part of the item that is under way.
	part int
}

func newItems(emit func(llm.Chunk)) *items {
	if emit == nil {
		emit = func(llm.Chunk) {}
	}
	return &items{emit: emit, open: map[int]*item{}}
}

// add takes the next event; kinds that are not known are passed over.
func (a *items) add(e *responseEvent) {
	switch e.Type {
	case "response.created", "response.in_progress":
		if e.Response != nil {
			a.id = e.Response.ID
		}
	case "response.output_item.added":
		if e.Item != nil {
			a.begin(e.OutputIndex, e.Item)
		}
	case "response.output_item.done":
		if e.Item != nil {
			a.finishItem(e.OutputIndex, e.Item)
		}
	case "response.output_text.delta", "response.refusal.delta":
		a.part(a.at(e.OutputIndex, "message"), e.ContentIndex, "\n", text(e.Delta))
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		a.part(a.at(e.OutputIndex, "reasoning"), e.SummaryIndex, "\n\n", text(e.Delta))
	case "response.function_call_arguments.delta":
		a.piece(a.at(e.OutputIndex, "function_call"), text(e.Delta))
	case "response.completed", "response.incomplete":
		if e.Response == nil {
			e.Response = &responseObject{}
		}
		a.end(e.Response)
	}
}

// at is the item under way at the index; a server that left out its beginning
// gets one.
func (a *items) at(index int, kind string) *item {
	if it := a.open[index]; it != nil {
		return it
	}
	return a.begin(index, &responseItem{Type: kind})
}

func (a *items) begin(index int, from *responseItem) *item {
	it := &item{responseItem: *from}
	if from.Type == "function_call" {
		if it.CallID == "" || a.used(it.CallID) {
			it.CallID = newCallID()
		}
		if it.Name == "" {
			it.Name = "unknown"
		}
		it.call = a.calls
		a.calls++
	}
	// What an item has at its beginning comes again when it is done.
	it.Arguments, it.Content, it.Summary = "", nil, nil
	a.open[index] = it
	a.list = append(a.list, it)
	return it
}

func (a *items) used(id string) bool {
	for _, it := range a.list {
		if it.CallID == id {
			return true
		}
	}
	return false
}

// finishItem closes an item. What was not streamed is handed out now.
func (a *items) finishItem(index int, whole *responseItem) {
	it := a.open[index]
	if it == nil || it.Type != whole.Type {
		it = a.begin(index, whole)
	}
	delete(a.open, index)
	it.ID, it.Status, it.EncryptedContent = whole.ID, whole.Status, whole.EncryptedContent
	it.Content, it.Summary = whole.Content, whole.Summary
	if it.wrote {
		return
	}
	switch whole.Type {
	case "message":
		for i, p := range whole.Content {
			a.part(it, i, "\n", p.Text+p.Refusal)
		}
	case "reasoning":
		for i, p := range whole.Summary {
			a.part(it, i, "\n\n", p.Text)
		}
	case "function_call":
		a.piece(it, whole.Arguments)
	}
}

// part hands out more of an item's part, with a break where a part begins.
func (a *items) part(it *item, index int, lineBreak, text string) {
	if text == "" {
		return
	}
	if it.wrote && index != it.part {
		text = lineBreak + text
	}
	it.part = index
	a.piece(it, text)
}

// piece hands out more of an item, with a break where an item begins.
func (a *items) piece(it *item, text string) {
	if text == "" {
		return
	}
	switch it.Type {
	case "message":
		if !it.wrote && a.said.Len() > 0 {
			text = "\n" + text
		}
		a.said.WriteString(text)
		a.emit(llm.Chunk{Stream: llm.StreamText, Text: text})
	case "reasoning":
		if !it.wrote && a.thought.Len() > 0 {
			text = "\n\n" + text
		}
		a.thought.WriteString(text)
		a.emit(llm.Chunk{Stream: llm.StreamReasoning, Text: text})
	case "function_call":
		it.args.WriteString(text)
		a.emit(llm.Chunk{Stream: llm.StreamArgs, Text: text, CallIndex: it.call, CallID: it.CallID, CallName: it.Name})
	}
	it.wrote = true
}

// end takes the response's last state; its output counts if nothing was streamed.
func (a *items) end(r *responseObject) {
	if r.ID != "" {
		a.id = r.ID
	}
	if len(a.list) == 0 {
		for i := range r.Output {
			a.finishItem(i, &r.Output[i])
		}
	}
	if r.Usage != nil {
		a.usage = r.Usage.counts()
	}
	a.finish = r.Status
	if r.Incomplete != nil && r.Incomplete.Reason != "" {
		a.finish = r.Incomplete.Reason
	}
	a.done = true
}

// empty tells whether nothing of an answer has come yet.
func (a *items) empty() bool { return a.said.Len() == 0 && a.thought.Len() == 0 && a.calls == 0 }

// response is the answer; call it once, when no more events come.
func (a *items) response() *llm.Response {
	msg := event.LLMMessage{Role: event.RoleAssistant, ReasoningContent: a.thought.String()}
	if a.said.Len() > 0 {
		msg.Content = []event.Content{event.Text(a.said.String())}
	}
	for _, it := range a.list {
		switch it.Type {
		case "reasoning":
			msg.ResponsesReasoningItem = it.stored()
		case "function_call":
			args := it.args.String()
			if strings.TrimSpace(args) == "" {
				args = "{}"
			}
			msg.ToolCalls = append(msg.ToolCalls, event.ToolCall{
				ID: it.CallID, ResponsesItemID: it.ID, Name: it.Name, Arguments: args, Origin: "responses",
			})
		}
	}
	if a.id == "" {
		a.id = "resp_" + rand.Text()
	}
	return &llm.Response{ID: a.id, Message: msg, Usage: a.usage, FinishReason: a.finish}
}

// stored is the reasoning item in OpenHands' form; the last one of an answer is
// kept.
func (it *item) stored() json.RawMessage {
	r := reasoning{ID: it.ID, EncryptedContent: it.EncryptedContent, Status: it.Status, Summary: []string{}}
	for _, p := range it.Summary {
		r.Summary = append(r.Summary, p.Text)
	}
	for _, p := range it.Content {
		r.Content = append(r.Content, p.Text)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return nil
	}
	return raw
}
