// Package event holds the events of a conversation and their JSON, exactly as
// OpenHands stores them: one struct per kind, snake_case fields, nulls left
// out, and the discriminator "kind" last in the object.
//
// It is pure data. It imports nothing of ours, starts no goroutine and does no
// I/O. An event is written once and never changed after it was appended to a
// conversation, so it may be shared between goroutines freely.
package event

import (
	"encoding/json"
	"time"
)

// Event is one entry of a conversation's history.
type Event interface {
	// Kind is the discriminator, equal to OpenHands' class name.
	Kind() string
	// Head gives the fields that every event has.
	Head() *Meta
}

// Source tells who an event comes from.
type Source string

// The sources OpenHands knows.
const (
	SourceAgent       Source = "agent"
	SourceUser        Source = "user"
	SourceEnvironment Source = "environment"
	SourceHook        Source = "hook"
)

// Root is the parent_id of an event that starts a new branch at the root of a
// log that is not empty.
const Root = "__root__"

// Meta is the head of every event.
type Meta struct {
	// ID is a UUID with dashes.
	ID string `json:"id"`
	// Timestamp is local time in ISO 8601 with microseconds and no zone.
	Timestamp string `json:"timestamp"`
	Source    Source `json:"source"`
	// ParentID is the event before this one on its branch; empty for the first.
	ParentID string `json:"parent_id,omitempty"`
}

// Head implements [Event].
func (m *Meta) Head() *Meta { return m }

// TimeLayout is the layout of [Meta.Timestamp].
const TimeLayout = "2006-01-02T15:04:05.000000"

// Timestamp formats t as events store it.
func Timestamp(t time.Time) string { return t.Local().Format(TimeLayout) }

// Time parses the timestamp; the zero time if it can't be read.
func (m *Meta) Time() time.Time {
	t, err := time.ParseInLocation("2006-01-02T15:04:05.999999", m.Timestamp, time.Local)
	if err != nil {
		return time.Time{}
	}
	return t
}

// Risk is OpenHands' SecurityRisk.
type Risk string

// The risks, from the least to the highest; Unknown stands beside the order.
const (
	RiskUnknown Risk = "UNKNOWN"
	RiskLow     Risk = "LOW"
	RiskMedium  Risk = "MEDIUM"
	RiskHigh    Risk = "HIGH"
)

// SystemPrompt is the first event of a conversation: the prompt and the tools.
type SystemPrompt struct {
	Meta
	SystemPrompt   Content           `json:"system_prompt"`
	Tools          []json.RawMessage `json:"tools"`
	DynamicContext *Content          `json:"dynamic_context,omitempty"`
}

// Message is a message of the user, of the agent or of the environment.
type Message struct {
	Meta
	LLMMessage      LLMMessage      `json:"llm_message"`
	LLMResponseID   string          `json:"llm_response_id,omitempty"`
	ActivatedSkills []string        `json:"activated_skills"`
	ExtendedContent []Content       `json:"extended_content"`
	Sender          string          `json:"sender,omitempty"`
	CriticResult    json.RawMessage `json:"critic_result,omitempty"`
}

// Action is one tool call of the model. Action is nil where the call was not
// valid; an [AgentError] with the same ToolCallID follows then.
type Action struct {
	Meta
	Thought                []Content       `json:"thought"`
	ReasoningContent       string          `json:"reasoning_content,omitempty"`
	ThinkingBlocks         []Thinking      `json:"thinking_blocks"`
	ResponsesReasoningItem json.RawMessage `json:"responses_reasoning_item,omitempty"`
	// Action is the tool's action JSON with its own "kind".
	Action        json.RawMessage `json:"action,omitempty"`
	ToolName      string          `json:"tool_name"`
	ToolCallID    string          `json:"tool_call_id"`
	ToolCall      ToolCall        `json:"tool_call"`
	LLMResponseID string          `json:"llm_response_id"`
	SecurityRisk  Risk            `json:"security_risk"`
	CriticResult  json.RawMessage `json:"critic_result,omitempty"`
	Summary       string          `json:"summary,omitempty"`
}

// Observation is what a tool call gave.
type Observation struct {
	Meta
	ToolName   string `json:"tool_name"`
	ToolCallID string `json:"tool_call_id"`
	// Observation is the tool's observation JSON with its own "kind".
	Observation     json.RawMessage `json:"observation"`
	ActionID        string          `json:"action_id"`
	ExtendedContent []Content       `json:"extended_content"`
}

// DefaultRejection is the reason of a rejection that gives none.
const DefaultRejection = "User rejected the action"

// UserReject answers an action that the user (or a hook) turned down.
type UserReject struct {
	Meta
	ToolName        string `json:"tool_name"`
	ToolCallID      string `json:"tool_call_id"`
	RejectionReason string `json:"rejection_reason"`
	// RejectionSource is "user" or "hook".
	RejectionSource string `json:"rejection_source"`
	ActionID        string `json:"action_id"`
}

// AgentError answers a tool call that could not be carried out.
type AgentError struct {
	Meta
	ToolName       string         `json:"tool_name"`
	ToolCallID     string         `json:"tool_call_id"`
	Error          string         `json:"error"`
	Classification Classification `json:"classification"`
}

// CondensationSummary stands in a view for what a [Condensation] forgot. It is
// never stored.
type CondensationSummary struct {
	Meta
	Summary string `json:"summary"`
}

// Condensation makes the model forget events, with a summary in their place.
type Condensation struct {
	Meta
	ForgottenEventIDs []string `json:"forgotten_event_ids"`
	Summary           *string  `json:"summary,omitempty"`
	SummaryOffset     *int     `json:"summary_offset,omitempty"`
	LLMResponseID     string   `json:"llm_response_id"`
}

// CondensationRequest asks for a condensation at the next step.
type CondensationRequest struct{ Meta }

// Pause tells that the user paused the run.
type Pause struct{ Meta }

// Interrupt tells that the user interrupted the run.
type Interrupt struct{ Meta }

// StateUpdate is a change of the conversation's state. We never store one; the
// agent-server of OpenHands does.
type StateUpdate struct {
	Meta
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value,omitempty"`
}

// ConversationError ends a run with an error, a limit or a crash.
type ConversationError struct {
	Meta
	Code           string         `json:"code"`
	Detail         string         `json:"detail"`
	Classification Classification `json:"classification"`
}

// StreamingDelta is a piece of a model's answer. It is never stored.
type StreamingDelta struct {
	Meta
	Content          *string `json:"content,omitempty"`
	ReasoningContent *string `json:"reasoning_content,omitempty"`
}

// HookExecution tells what a hook did.
type HookExecution struct {
	Meta
	HookEventType     string          `json:"hook_event_type"`
	HookCommand       string          `json:"hook_command"`
	ToolName          string          `json:"tool_name,omitempty"`
	Success           bool            `json:"success"`
	Blocked           bool            `json:"blocked"`
	ExitCode          int             `json:"exit_code"`
	Stdout            string          `json:"stdout"`
	Stderr            string          `json:"stderr"`
	Reason            string          `json:"reason,omitempty"`
	AdditionalContext string          `json:"additional_context,omitempty"`
	Error             string          `json:"error,omitempty"`
	ActionID          string          `json:"action_id,omitempty"`
	MessageID         string          `json:"message_id,omitempty"`
	HookInput         json.RawMessage `json:"hook_input,omitempty"`
}

// Token holds token ids, for servers that return them.
type Token struct {
	Meta
	PromptTokenIDs   []int `json:"prompt_token_ids"`
	ResponseTokenIDs []int `json:"response_token_ids"`
}

// LLMCompletionLog is a log of one completion, written by remote servers.
type LLMCompletionLog struct {
	Meta
	Filename  string `json:"filename"`
	LogData   string `json:"log_data"`
	ModelName string `json:"model_name"`
	UsageID   string `json:"usage_id"`
}

// ACPToolCall is a tool call of an agent that OpenHands drives through ACP.
type ACPToolCall struct {
	Meta
	ToolCallID string          `json:"tool_call_id"`
	Title      string          `json:"title"`
	Status     string          `json:"status,omitempty"`
	ToolKind   string          `json:"tool_kind,omitempty"`
	RawInput   json.RawMessage `json:"raw_input,omitempty"`
	RawOutput  json.RawMessage `json:"raw_output,omitempty"`
	Content    json.RawMessage `json:"content,omitempty"`
	IsError    bool            `json:"is_error"`
}

// Unknown is an event of a kind this version does not know. Its bytes are kept.
type Unknown struct {
	Meta
	Name string
	Raw  json.RawMessage
}

// The kinds, each equal to OpenHands' class name.
const (
	KindSystemPrompt        = "SystemPromptEvent"
	KindMessage             = "MessageEvent"
	KindAction              = "ActionEvent"
	KindObservation         = "ObservationEvent"
	KindUserReject          = "UserRejectObservation"
	KindAgentError          = "AgentErrorEvent"
	KindCondensationSummary = "CondensationSummaryEvent"
	KindCondensation        = "Condensation"
	KindCondensationRequest = "CondensationRequest"
	KindPause               = "PauseEvent"
	KindInterrupt           = "InterruptEvent"
	KindStateUpdate         = "ConversationStateUpdateEvent"
	KindConversationError   = "ConversationErrorEvent"
	KindStreamingDelta      = "StreamingDeltaEvent"
	KindHookExecution       = "HookExecutionEvent"
	KindToken               = "TokenEvent"
	KindLLMCompletionLog    = "LLMCompletionLogEvent"
	KindACPToolCall         = "ACPToolCallEvent"
)

// Kind implements [Event].
func (*SystemPrompt) Kind() string { return KindSystemPrompt }

// Kind implements [Event].
func (*Message) Kind() string { return KindMessage }

// Kind implements [Event].
func (*Action) Kind() string { return KindAction }

// Kind implements [Event].
func (*Observation) Kind() string { return KindObservation }

// Kind implements [Event].
func (*UserReject) Kind() string { return KindUserReject }

// Kind implements [Event].
func (*AgentError) Kind() string { return KindAgentError }

// Kind implements [Event].
func (*CondensationSummary) Kind() string { return KindCondensationSummary }

// Kind implements [Event].
func (*Condensation) Kind() string { return KindCondensation }

// Kind implements [Event].
func (*CondensationRequest) Kind() string { return KindCondensationRequest }

// Kind implements [Event].
func (*Pause) Kind() string { return KindPause }

// Kind implements [Event].
func (*Interrupt) Kind() string { return KindInterrupt }

// Kind implements [Event].
func (*StateUpdate) Kind() string { return KindStateUpdate }

// Kind implements [Event].
func (*ConversationError) Kind() string { return KindConversationError }

// Kind implements [Event].
func (*StreamingDelta) Kind() string { return KindStreamingDelta }

// Kind implements [Event].
func (*HookExecution) Kind() string { return KindHookExecution }

// Kind implements [Event].
func (*Token) Kind() string { return KindToken }

// Kind implements [Event].
func (*LLMCompletionLog) Kind() string { return KindLLMCompletionLog }

// Kind implements [Event].
func (*ACPToolCall) Kind() string { return KindACPToolCall }

// Kind implements [Event].
func (u *Unknown) Kind() string { return u.Name }
