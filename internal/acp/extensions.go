package acp

import (
	"context"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

type modelInfo = protocol.ModelInfo

// commandCondense makes the model forget the older part of the history.
const commandCondense = "condense"

// commands are the slash commands of a session: ours, and the skills that a user
// may ask for in its folder.
func (s *Server) commands(folder string) []command {
	list := []command{{Name: commandCondense, Description: "Make the model forget the older part of the conversation, with a summary in its place"}}
	skills, err := s.backend.Skills(folder)
	if err != nil {
		s.log.Warn("the skills can't be read", "error", err)
	}
	for _, k := range skills {
		name := strings.TrimPrefix(k.Command, "/")
		if name == "" || name == commandCondense {
			continue
		}
		c := command{Name: name, Description: k.Description, Input: &commandInput{"what to do with it"}}
		if c.Description == "" {
			c.Description = "The skill " + k.Name
		}
		list = append(list, c)
	}
	return list
}

// steer puts a message into the turn that goes on, at its next step: the extension
// _session/steering. Where nothing goes on it begins a turn, or with idleBehavior
// "promptRequired" leaves the message to the client.
func (s *Server) steer(ctx context.Context, p steeringParams, reply func(steeringResult, error)) {
	fail := func(err error) { reply(steeringResult{}, err) }
	sess, err := s.active(p.SessionID)
	if err != nil {
		fail(err)
		return
	}
	m, err := messageOf(p.Prompt)
	if err == nil {
		err = sess.conversation.Agent().Ready(ctx)
	}
	if err != nil {
		fail(err)
		return
	}
	message := conversation.Outgoing{Message: m}
	err = sess.conversation.Info(func(i conversation.Info) {
		idle := i.Status != conversation.Running && i.Status != conversation.Pausing &&
			i.Status != conversation.WaitingForConfirmation && i.Status != conversation.WaitingForInput
		if idle && p.IdleBehavior == "promptRequired" {
			reply(steeringResult{"promptRequired", "noRunningTurn"}, nil)
			return
		}
		if err := sess.conversation.SendMessage(message, true, conversation.Steer, func(sent conversation.Sent, err error) {
			if err != nil {
				fail(err)
				return
			}
			outcome := "injected"
			if sent.Disposition != "steered" {
				outcome = "startedNewTurn"
			}
			reply(steeringResult{Outcome: outcome}, nil)
		}); err != nil {
			fail(err)
		}
	})
	if err != nil {
		fail(err)
	}
}

// pause asks the run to stop at its next step; its prompts end with end_turn.
func (s *Server) pause(_ context.Context, p sessionParams, reply func(pauseResult, error)) {
	sess, err := s.active(p.SessionID)
	if err == nil {
		err = sess.conversation.Pause(func(status conversation.Status, err error) { reply(pauseResult{string(status)}, err) })
	}
	if err != nil {
		reply(pauseResult{}, err)
	}
}

// run goes on after a pause and answers when the run ends, as a prompt would. It
// approves nothing.
func (s *Server) run(ctx context.Context, p sessionParams, reply func(promptResult, error)) {
	fail := func(err error) { reply(promptResult{}, err) }
	sess, err := s.active(p.SessionID)
	if err == nil {
		err = sess.conversation.Agent().Ready(ctx)
	}
	if err != nil {
		fail(err)
		return
	}
	one := &prompt{reply: reply}
	if sess.add(one) == conversation.Steer {
		sess.drop(one)
		fail(&conversation.StateError{Status: sess.status(), Message: "the agent waits for an answer; give it first"})
		return
	}
	err = sess.conversation.Run(func(runID string, err error) {
		if err != nil {
			sess.drop(one)
			fail(err)
			return
		}
		sess.accepted(one, conversation.Sent{RunID: runID})
	}, nil)
	if err != nil {
		sess.drop(one)
		fail(err)
	}
}

func (s *session) status() conversation.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info.Status
}

// secrets adds, replaces and (with null) forgets secrets.
func (s *Server) secrets(_ context.Context, p secretsParams, reply func(secretsResult, error)) {
	sess, err := s.active(p.SessionID)
	if err == nil {
		err = sess.conversation.UpdateSecrets(p.Secrets, func(names []string, err error) {
			if names == nil {
				names = []string{}
			}
			reply(secretsResult{names}, err)
		})
	}
	if err != nil {
		reply(secretsResult{}, err)
	}
}
