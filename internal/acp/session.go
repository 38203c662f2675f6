package acp

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// backlog is how many bytes may wait for a client before pieces of answers are held
// back. Their rest comes with the whole answer, once.
const backlog = 4 << 20

// session is one conversation as the client sees it. It is a
// [conversation.Observer]: it encodes and queues, and never waits.
type session struct {
	server       *Server
	id           string
	conversation *conversation.Conversation
	roots        []string // the one to work in first; replaced, never changed

	mu sync.Mutex
	// streams are the answers of which pieces were sent.
	streams map[streamKey]*stream
	// calls are the tool calls that are open, by the id of their action.
	calls map[string]*call
	// prompts wait for the end of their turn.
	prompts []*prompt
	ringing map[string]context.CancelFunc // questions to the client, by request id
	held    []conversation.Pending        // while holding
	holding bool

	commands []command
	models   []choiceGroup
	info     conversation.Info
	// What the client was told last.
	mode    string
	options []configOption
	usage   usageUpdate
	title   string
}

type streamKey struct {
	messageID string
	stream    conversation.Stream
}

// stream is what was sent of one answer.
type stream struct {
	text    strings.Builder
	stopped bool
}

func newSession(s *Server, c *conversation.Conversation, roots []string) *session {
	return &session{
		server: s, id: c.ID(), conversation: c, roots: roots,
		streams: map[streamKey]*stream{}, calls: map[string]*call{}, ringing: map[string]context.CancelFunc{},
	}
}

// prepare looks up what an answer to the client needs and takes time. It must not
// be called from the conversation's goroutine.
func (s *session) prepare() {
	commands := s.server.commands(s.conversation.Workspace())
	models := s.server.modelGroups()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands, s.models = commands, models
}

// setup is the answer to what opens a session.
func (s *session) setup(i conversation.Info) setupResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info, s.title = i, i.Title
	s.mode, s.options = modeOf(i.ConfirmationPolicy), s.configOptions(i)
	return setupResult{Modes: modesOf(s.mode), ConfigOptions: s.options}
}

// announce sends what a client may know only once it knows the session.
func (s *session) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendUsage(s.info)
	s.send(commandsUpdate{"available_commands_update", s.commands})
}

func (s *session) send(u any) { s.server.update(s.id, u) }

// hold keeps questions to the client back until release.
func (s *session) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = true
	s.streams, s.calls = map[streamKey]*stream{}, map[string]*call{}
}

func (s *session) release() {
	s.mu.Lock()
	held := s.held
	s.held, s.holding = nil, false
	s.mu.Unlock()
	for _, p := range held {
		s.Waiting(p)
	}
}

// end answers whoever still waits: the conversation is closed.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.prompts {
		p.reply(promptResult{StopReason: cancelled}, nil)
	}
	s.prompts = nil
	for _, silence := range s.ringing {
		silence()
	}
}

// notice tells the user something that is no part of the conversation, where the
// client shows such things.
func (s *session) notice(severity, title, description string) {
	if s.server.client.Load().Session.Notices != nil {
		s.send(noticeUpdate{"notice", severity, title, description})
	}
}

// Delta implements [conversation.Observer]. Each piece is sent once; a client that
// does not read gets no pieces, and the rest with the answer.
func (s *session) Delta(d conversation.Delta) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch d.Stream {
	case conversation.StreamText, conversation.StreamReasoning:
	case conversation.StreamStdout:
		s.started(d.ToolCallID)
		return
	default:
		return
	}
	key := streamKey{d.MessageID, d.Stream}
	st := s.streams[key]
	if st == nil {
		st = &stream{}
		s.streams[key] = st
	}
	if d.Offset != st.text.Len() || s.server.out.Waiting() > backlog {
		st.stopped = true
	}
	if st.stopped || d.Text == "" {
		return
	}
	st.text.WriteString(d.Text)
	s.chunk(d.Stream, d.MessageID, d.Text)
}

// chunk sends a piece of an answer. Reasoning is a message of its own.
func (s *session) chunk(of conversation.Stream, messageID, text string) {
	if of == conversation.StreamReasoning {
		s.send(messageChunk{"agent_thought_chunk", textBlock(text), messageID + ".thought"})
		return
	}
	s.send(messageChunk{"agent_message_chunk", textBlock(text), messageID})
}

// rest sends what was not sent of an answer that is whole now.
func (s *session) rest(of conversation.Stream, messageID, full string) {
	key := streamKey{messageID, of}
	st := s.streams[key]
	delete(s.streams, key)
	if st != nil {
		sent := st.text.String()
		switch {
		case strings.HasPrefix(full, sent):
			full = full[len(sent):]
		case strings.TrimSpace(full) == strings.TrimSpace(sent):
			return // it was tidied up
		}
	}
	if full != "" {
		s.chunk(of, messageID, full)
	}
}

// State implements [conversation.Observer].
func (s *session) State(i conversation.Info, _ bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.info
	s.info = i
	if i.Status == conversation.Running {
		for _, c := range s.calls {
			s.start(c)
		}
	}
	if s.options == nil {
		return // the client does not know the session yet
	}
	if mode := modeOf(i.ConfirmationPolicy); mode != s.mode {
		s.mode = mode
		s.send(modeUpdate{"current_mode_update", mode})
	}
	if options := s.configOptions(i); !reflect.DeepEqual(options, s.options) {
		s.options = options
		s.send(configUpdate{"config_option_update", options})
	}
	s.sendUsage(i)
	if i.Title != s.title || was.Status == conversation.Running && i.Status != conversation.Running {
		s.title = i.Title
		s.send(infoUpdate{"session_info_update", i.Title, stamp(i.UpdatedAt)})
	}
}

// sendUsage tells how much of the model's window is used, and what the
// conversation has cost.
func (s *session) sendUsage(i conversation.Info) {
	var stats struct {
		Usage map[string]struct {
			Cost  float64 `json:"accumulated_cost"`
			Token struct {
				Window int `json:"context_window"`
				Turn   int `json:"per_turn_token"`
			} `json:"accumulated_token_usage"`
		} `json:"usage_to_metrics"`
	}
	if json.Unmarshal(i.Stats, &stats) != nil || len(i.LLMs) == 0 {
		return
	}
	own := stats.Usage[i.LLMs[0].UsageID]
	if own.Token.Window <= 0 {
		return // how large the window is is not known
	}
	u := usageUpdate{SessionUpdate: "usage_update", Used: own.Token.Turn, Size: own.Token.Window}
	total := 0.0
	for _, one := range stats.Usage {
		total += one.Cost
	}
	u.Cost = &cost{total, "USD"}
	if !reflect.DeepEqual(u, s.usage) {
		s.usage = u
		s.send(u)
	}
}

// Started implements [conversation.Observer].
func (s *session) Started(string) {}

// Ended implements [conversation.Observer].
func (s *session) Ended(o conversation.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams = map[streamKey]*stream{}
	s.endPrompts(o)
}

// Waiting implements [conversation.Observer].
func (s *session) Waiting(p conversation.Pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holding {
		s.held = append(s.held, p)
		return
	}
	s.ring(p)
}

// Resolved implements [conversation.Observer].
func (s *session) Resolved(r conversation.Resolution) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silence(r.RequestID)
}

func textBlock(text string) contentBlock { return contentBlock{Type: "text", Text: &text} }

// blocks gives content as the protocol has it; images that are no data URL are
// links.
func blocks(content []event.Content) []contentBlock {
	var list []contentBlock
	for _, c := range content {
		if c.Type != "image" {
			if c.Text != "" {
				list = append(list, textBlock(c.Text))
			}
			continue
		}
		for _, url := range c.ImageURLs {
			rest, inline := strings.CutPrefix(url, "data:")
			head, data, ok := strings.Cut(rest, ",")
			mime, encoded := strings.CutSuffix(head, ";base64")
			if inline && ok && encoded {
				list = append(list, contentBlock{Type: "image", Data: data, MimeType: mime})
			} else {
				list = append(list, contentBlock{Type: "resource_link", Name: "image", URI: url})
			}
		}
	}
	return list
}
