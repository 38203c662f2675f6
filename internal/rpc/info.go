package rpc

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// The functions of this file turn what the conversation knows into what the
// wire says; nothing else does.

func toInfo(i conversation.Info) protocol.Info {
	info := protocol.Info{
		ID: i.ID, Title: i.Title, Workspace: workspace.ToURI(i.Workspace),
		Status: protocol.Status(i.Status), RunID: i.RunID, StopReason: protocol.StopReason(i.StopReason),
		CreatedAt: toTime(i.CreatedAt), UpdatedAt: toTime(i.UpdatedAt), Cursor: toCursor(i.Cursor),
		MaxIterationPerRun: i.MaxIterations, MaxBudgetPerRun: i.MaxBudget, AutoTitle: i.AutoTitle,
		ConfirmationPolicy: i.ConfirmationPolicy, SecurityAnalyzer: i.SecurityAnalyzer,
		Model: i.Model, LLMs: []protocol.LLMInfo{}, Stats: i.Stats, Pending: []protocol.Pending{}, Queued: []protocol.Queued{}, Tags: i.Tags,
	}
	if i.StuckThresholds != nil {
		info.StuckDetectionThresholds, _ = json.Marshal(i.StuckThresholds) // four numbers always encode
	}
	info.Changes = protocol.ChangeCount(i.Changes)
	if info.Tags == nil {
		info.Tags = map[string]string{}
	}
	for _, l := range i.LLMs {
		info.LLMs = append(info.LLMs, protocol.LLMInfo{UsageID: l.UsageID, Model: l.Model, Unpriced: l.Unpriced})
	}
	for _, p := range i.Pending {
		info.Pending = append(info.Pending, toPending(p))
	}
	for _, m := range i.Queued {
		info.Queued = append(info.Queued, toQueued(m))
	}
	for _, r := range i.Rules {
		info.Rules = append(info.Rules, protocol.Rule{ID: r.ID, Scope: string(r.Scope), Tool: r.Tool, Text: r.Text})
	}
	if e := i.Error; e != nil {
		info.Error = &protocol.RunError{Code: e.Code, Message: e.Message, Classification: e.Classification}
	}
	if o := i.LockedBy; o != nil {
		info.LockedBy = &protocol.LockOwner{PID: o.PID, Host: o.Host}
	}
	return info
}

func toTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func toCursor(c conversation.Cursor) protocol.Cursor {
	return protocol.Cursor{Epoch: c.Epoch, Seq: c.Seq}
}

func toPending(p conversation.Pending) protocol.Pending {
	pending := protocol.Pending{
		RequestID: p.RequestID, RunID: p.RunID, Kind: string(p.Kind), Reason: p.Reason, Actions: []protocol.PendingAction{},
		Options: []protocol.Option{}, Message: p.Message, Schema: p.Schema,
	}
	if p.Kind == conversation.KindConfirmation {
		approve, reject, remember := "Approve", "Reject", "Approve and don't ask again"
		if len(p.Actions) > 1 {
			approve, reject, remember = "Approve all", "Reject all", "Approve all and don't ask again"
		}
		pending.Options = []protocol.Option{{ID: "approve", Label: approve}, {ID: "reject", Label: reject}}
		if p.Memorable {
			pending.Options = append(pending.Options, protocol.Option{ID: "remember", Label: remember})
		}
	}
	for _, a := range p.Actions {
		pending.Actions = append(pending.Actions, toPendingAction(a))
	}
	return pending
}

func toPendingAction(a conversation.PendingAction) protocol.PendingAction {
	action := protocol.PendingAction{
		ActionID: a.Action.ID, Tool: a.Action.ToolName, Title: a.Action.ToolName, Kind: event.DisplayOther,
		Risk: a.Risk, Reason: a.Reason, Input: a.Action.Action,
	}
	if a.Display != nil {
		action.Title, action.Kind = a.Display.Title, a.Display.Kind
		action.Locations, action.Diff = a.Display.Locations, a.Display.Diff
	}
	for _, p := range a.Parts {
		action.Parts = append(action.Parts, protocol.ActionPart{Text: p.Text, Risk: p.Risk, Reason: p.Reason})
	}
	return action
}

func toResolvedBy(r *conversation.Resolution) *protocol.ResolvedBy {
	if r == nil {
		return nil
	}
	return &protocol.ResolvedBy{Client: r.Client, Via: r.Via}
}

func toQueued(m conversation.Outgoing) protocol.Queued {
	return protocol.Queued{MessageID: m.ID, Message: m.Message, Sender: m.Sender}
}

func toBranches(list []conversation.Branch) protocol.BranchesResult {
	result := protocol.BranchesResult{Branches: []protocol.Branch{}}
	for _, b := range list {
		result.Branches = append(result.Branches, protocol.Branch(b))
	}
	return result
}

func toBlob(p conversation.BlobPiece) protocol.BlobResult {
	result := protocol.BlobResult{Data: base64.StdEncoding.EncodeToString(p.Data), Offset: p.Offset, Size: p.Size}
	if p.Data == nil {
		result.Text = &p.Text
	}
	if p.End < p.Size {
		result.Next = &p.End
	}
	return result
}

// toDisplay leaves a change out that is too long for the client, which then finds
// it in the event.
func toDisplay(d *event.Display, limit int) *event.Display {
	if d == nil || d.Diff == nil || limit <= 0 {
		return d
	}
	n := len(d.Diff.NewText)
	if d.Diff.OldText != nil {
		n = max(n, len(*d.Diff.OldText))
	}
	if n <= limit {
		return d
	}
	short := *d
	short.Diff = nil
	return &short
}

func (s *Server) toEvents(p conversation.Page) protocol.EventsResult {
	limit := s.client.Load().maxEventBytes()

	result := protocol.EventsResult{Events: make([]protocol.SeqEvent, 0, len(p.Records)), Next: p.Next, Prev: p.Prev}
	for _, r := range p.Records {
		result.Events = append(result.Events, protocol.SeqEvent{Seq: r.Seq, Event: r.Cut(limit), Display: toDisplay(r.Display, limit)})
	}
	return result
}

// fromSince reads the since of conversation/open.
func fromSince(raw json.RawMessage) (conversation.Since, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return conversation.Since{}, nil
	}
	var word string
	if json.Unmarshal(raw, &word) == nil {
		switch word {
		case "start":
			return conversation.Since{Start: true}, nil
		case "end":
			return conversation.Since{}, nil
		}
		return conversation.Since{}, invalid("since", `must be a cursor, "start" or "end"`)
	}
	var c protocol.Cursor
	if err := json.Unmarshal(raw, &c); err != nil {
		return conversation.Since{}, invalid("since", `must be a cursor {epoch, seq}, "start" or "end"`)
	}
	return conversation.Since{Cursor: &conversation.Cursor{Epoch: c.Epoch, Seq: c.Seq}}, nil
}

// fromMessage reads a message: a string, an OpenHands Message or a list of
// Content.
func fromMessage(raw json.RawMessage) (event.LLMMessage, error) {
	m := event.LLMMessage{Role: event.RoleUser}
	switch first := firstByte(raw); first {
	case '"', '[':
		content, err := fromContent(raw)
		if err != nil {
			return m, err
		}
		m.Content = content
	case '{':
		if err := json.Unmarshal(raw, &m); err != nil {
			return m, invalid("message", err.Error())
		}
		if m.Role != event.RoleUser {
			return m, invalid("message.role", "must be user")
		}
	default:
		return m, invalid("message", "must be a string, a Message or a list of Content")
	}
	return m, nil
}

func firstByte(raw json.RawMessage) byte {
	for _, b := range raw {
		switch b {
		case ' ', '\t', '\r', '\n':
		default:
			return b
		}
	}
	return 0
}
