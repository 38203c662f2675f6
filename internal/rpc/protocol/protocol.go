// Package protocol is the wire contract of agent-rpc, version 1: method names,
// params, results, notifications and error codes as Go types. docs/protocol.md
// is checked against it, and `agent-rpc schema` prints it for clients.
//
// What OpenHands defines (events, agents, messages, policies, analyzers, secret
// sources, statistics) keeps OpenHands' JSON; what is ours is camelCase. Params
// ignore fields that are not known. The package is pure data.
package protocol

import (
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// Version is the version of the protocol that this server speaks.
const Version = 1

// Methods that a client calls.
const (
	MethodCreate                = "conversation/create"
	MethodOpen                  = "conversation/open"
	MethodList                  = "conversation/list"
	MethodState                 = "conversation/state"
	MethodEvents                = "conversation/events"
	MethodSendMessage           = "conversation/sendMessage"
	MethodRun                   = "conversation/run"
	MethodPause                 = "conversation/pause"
	MethodInterrupt             = "conversation/interrupt"
	MethodConfirm               = "conversation/confirm"
	MethodAnswer                = "conversation/answer"
	MethodRunTool               = "conversation/runTool"
	MethodRerunActions          = "conversation/rerunActions"
	MethodRejectPendingActions  = "conversation/rejectPendingActions"
	MethodSetConfirmationPolicy = "conversation/setConfirmationPolicy"
	MethodSetSecurityAnalyzer   = "conversation/setSecurityAnalyzer"
	MethodUpdateSecrets         = "conversation/updateSecrets"
	MethodGenerateTitle         = "conversation/generateTitle"
	MethodCondense              = "conversation/condense"
	MethodAskAgent              = "conversation/askAgent"
	MethodSwitchModel           = "conversation/switchModel"
	MethodUpdate                = "conversation/update"
	MethodFork                  = "conversation/fork"
	MethodNavigate              = "conversation/navigate"
	MethodBranches              = "conversation/branches"
	MethodUnsend                = "conversation/unsend"
	MethodBlob                  = "conversation/blob"
	MethodChanges               = "conversation/changes"
	MethodBaseline              = "conversation/baseline"
	MethodKeepChanges           = "conversation/keepChanges"
	MethodUndoChanges           = "conversation/undoChanges"
	MethodClose                 = "conversation/close"
	MethodDelete                = "conversation/delete"
	MethodPing                  = "agent/ping"
	MethodTools                 = "agent/tools"
	MethodModels                = "agent/models"
	MethodSkills                = "agent/skills"
)

// Notifications and requests that the server sends.
const (
	NotifyEvent           = "conversation/event"
	NotifyDelta           = "conversation/delta"
	NotifyStateChanged    = "conversation/stateChanged"
	NotifyRequestResolved = "conversation/requestResolved"
	NotifyGap             = "conversation/gap"
	NotifyListChanged     = "conversation/listChanged"
	// NotifyShowMessage is LSP's.
	NotifyShowMessage = "window/showMessage"

	RequestConfirmation = "conversation/requestConfirmation"
	RequestInput        = "conversation/requestInput"
	RequestExecuteTool  = "conversation/executeTool"
	RequestSecretValue  = "conversation/secretValue"
)

// ClientOptions is what a client says of itself in
// initializationOptions.agentRpc or capabilities.experimental.agentRpc. A
// client without it is a generic LSP client.
type ClientOptions struct {
	// Versions of this protocol that the client speaks.
	Versions []int `json:"versions"`
	// Deltas, Confirmation, Input and Secrets declare what the client wants to be
	// sent; absent means never.
	Deltas       *DeltaOptions `json:"deltas,omitempty"`
	Confirmation *Flag         `json:"confirmation,omitempty"`
	Input        *Flag         `json:"input,omitempty"`
	Secrets      *Flag         `json:"secrets,omitempty"`
	// MaxEventBytes is the length in bytes of UTF-8 above which a string of an event
	// is sent as a [Blob]; 262144 if absent, and at least 256.
	MaxEventBytes int             `json:"maxEventBytes,omitempty"`
	Settings      json.RawMessage `json:"settings,omitempty"`
}

// DeltaOptions asks for streamed deltas.
type DeltaOptions struct {
	// MaxHz caps how often the deltas of one target are sent; 30 if absent.
	MaxHz float64 `json:"maxHz,omitempty"`
}

// Flag is a capability without options: true, {} and [] all declare it.
type Flag struct{}

// ServerOptions stands in the result of initialize under
// capabilities.experimental.agentRpc.
type ServerOptions struct {
	Version  int             `json:"version"`
	Features map[string]bool `json:"features"`
	Limits   Limits          `json:"limits"`
	// StateDir is the absolute path of the folder that holds the conversations.
	StateDir string `json:"stateDir"`
}

// Limits are the server's limits.
type Limits struct {
	MaxFrameBytes     int `json:"maxFrameBytes"`
	MaxQueuedRequests int `json:"maxQueuedRequests"`
}

// Status is the state of a conversation.
type Status string

// The statuses. Pausing and WaitingForInput are ours; OpenHands stores the
// others.
const (
	StatusIdle                   Status = "idle"
	StatusRunning                Status = "running"
	StatusPausing                Status = "pausing"
	StatusPaused                 Status = "paused"
	StatusWaitingForConfirmation Status = "waiting_for_confirmation"
	StatusWaitingForInput        Status = "waiting_for_input"
	StatusFinished               Status = "finished"
	StatusError                  Status = "error"
	StatusStuck                  Status = "stuck"
	StatusDeleting               Status = "deleting"
)

// StopReason says why a run ended, or why it waits.
type StopReason string

// The stop reasons.
const (
	StopFinished               StopReason = "finished"
	StopPaused                 StopReason = "paused"
	StopInterrupted            StopReason = "interrupted"
	StopWaitingForConfirmation StopReason = "waiting_for_confirmation"
	StopMaxIterations          StopReason = "max_iterations"
	StopBudget                 StopReason = "budget"
	StopStuck                  StopReason = "stuck"
	StopRejected               StopReason = "rejected"
	StopError                  StopReason = "error"
)

// Cursor is a position in a conversation. The epoch changes when the branch or
// the log is rewritten; seq counts the events of the branch from 1, 0 is before
// the first.
type Cursor struct {
	Epoch int `json:"epoch"`
	Seq   int `json:"seq"`
}

// Info is the whole state of a conversation.
type Info struct {
	ID        string `json:"id"`
	Title     string `json:"title,omitempty"`
	Workspace string `json:"workspace"` // file: URI
	Status    Status `json:"status"`
	// RunID is the run that goes on or waits, or the one that ended last.
	RunID      string     `json:"runId,omitempty"`
	StopReason StopReason `json:"stopReason,omitempty"`
	// CreatedAt and UpdatedAt are RFC 3339 with milliseconds, in UTC.
	CreatedAt          string `json:"createdAt"`
	UpdatedAt          string `json:"updatedAt"`
	Cursor             Cursor `json:"cursor"`
	MaxIterationPerRun int    `json:"maxIterationPerRun"`
	// MaxBudgetPerRun is what the conversation may cost, in USD; absent for no limit.
	MaxBudgetPerRun float64 `json:"maxBudgetPerRun,omitempty"`
	// AutoTitle: a run that finishes gives the conversation a title, if it has none.
	AutoTitle          bool              `json:"autoTitle,omitempty"`
	ConfirmationPolicy json.RawMessage   `json:"confirmationPolicy"`
	SecurityAnalyzer   json.RawMessage   `json:"securityAnalyzer,omitempty"`
	Model              string            `json:"model"`
	LLMs               []LLMInfo         `json:"llms"`
	Stats              json.RawMessage   `json:"stats"`
	Pending            []Pending         `json:"pending"`
	Queued             []Queued          `json:"queued"`
	Tags               map[string]string `json:"tags"`
	// Rules are what is not asked again here: of this conversation and of its
	// workspace. Absent if there are none.
	Rules []Rule `json:"rules,omitempty"`
	// Changes counts what the agent changed and nobody kept, as far as it was looked.
	Changes  ChangeCount `json:"changes"`
	Error    *RunError   `json:"error,omitempty"`
	LockedBy *LockOwner  `json:"lockedBy,omitempty"`
	// StuckDetectionThresholds is OpenHands' object of that name; absent where stuck
	// detection is off.
	StuckDetectionThresholds json.RawMessage `json:"stuckDetectionThresholds,omitempty"`
}

// ChangeCount counts files and lines.
type ChangeCount struct {
	Files     int `json:"files"`
	Additions int `json:"additions"`
	Deletions int `json:"deletions"`
}

// LLMInfo is one model that a conversation uses.
type LLMInfo struct {
	// UsageID is the bucket of the statistics that it fills: "agent", "condenser",
	// "ask-agent-llm", "profile:NAME", …
	UsageID string `json:"usageId"`
	Model   string `json:"model"`
	// Unpriced tells that its last answer cost something and nobody knows what: the
	// statistics and the budget leave it out.
	Unpriced bool `json:"unpriced,omitempty"`
}

// RunError says why the last run failed.
type RunError struct {
	// Code is OpenHands' class name of the error, or one of its codes such as
	// MaxIterationsReached.
	Code           string               `json:"code"`
	Message        string               `json:"message"`
	Classification event.Classification `json:"classification"`
}

// LockOwner is the process that holds a conversation.
type LockOwner struct {
	PID  int    `json:"pid"`
	Host string `json:"host,omitempty"`
}

// Pending is something that waits for the user: a confirmation, one per batch of
// actions, whose one decision answers all of them, or an input, the question of
// one action.
type Pending struct {
	RequestID string `json:"requestId"`
	RunID     string `json:"runId"`
	// Kind is "confirmation" or "input".
	Kind    string          `json:"kind"`
	Actions []PendingAction `json:"actions"`
	Reason  string          `json:"reason"`
	// Options are those of a confirmation.
	Options []Option `json:"options"`
	// Message and Schema are those of an input: the question, and a JSON Schema of
	// the object that answers it.
	Message string          `json:"message,omitempty"`
	Schema  json.RawMessage `json:"schema,omitempty"`
}

// PendingAction is one action that waits.
type PendingAction struct {
	ActionID string `json:"actionId"`
	Tool     string `json:"tool"`
	Title    string `json:"title"`
	// Kind is ACP's ToolKind.
	Kind      string           `json:"kind"`
	Risk      event.Risk       `json:"risk"`
	Reason    string           `json:"reason"`
	Input     json.RawMessage  `json:"input"`
	Locations []event.Location `json:"locations,omitempty"`
	Diff      *event.Diff      `json:"diff,omitempty"`
	// Parts are the simple commands of a command in order, each with its own risk;
	// absent for other actions and where the command can't be taken apart.
	Parts []ActionPart `json:"parts,omitempty"`
}

// ActionPart is one simple command of a command that waits. Text is as it
// stands in the command.
type ActionPart struct {
	Text   string     `json:"text"`
	Risk   event.Risk `json:"risk"`
	Reason string     `json:"reason,omitempty"`
}

// Rule is one action that is not asked about again: exactly this command, or
// exactly these arguments.
type Rule struct {
	ID string `json:"id"`
	// Scope is "conversation" or "workspace".
	Scope string `json:"scope"`
	Tool  string `json:"tool"`
	// Text is the command or the arguments.
	Text string `json:"text"`
}

// Option is one way to answer a [Pending]: approve, reject or remember.
type Option struct {
	ID    string `json:"id"`
	Label string `json:"label"`
}

// Queued is a message that waits for the run to end.
type Queued struct {
	MessageID string           `json:"messageId"`
	Message   event.LLMMessage `json:"message"`
	Sender    string           `json:"sender,omitempty"`
}

// CreateParams are the params of conversation/create.
type CreateParams struct {
	// Workspace is a file: URI; the first workspace folder if absent.
	Workspace      string          `json:"workspace,omitempty"`
	ConversationID string          `json:"conversationId,omitempty"`
	Agent          json.RawMessage `json:"agent,omitempty"`
	Profile        string          `json:"profile,omitempty"`
	// PersistenceDir is absent for the default, null to keep the conversation in
	// memory, or an absolute path.
	PersistenceDir     json.RawMessage `json:"persistenceDir,omitempty"`
	MaxIterationPerRun *int            `json:"maxIterationPerRun,omitempty"`
	// MaxBudgetPerRun is in USD; 0 for no limit.
	MaxBudgetPerRun *float64 `json:"maxBudgetPerRun,omitempty"`
	AutoTitle       *bool    `json:"autoTitle,omitempty"`
	StuckDetection  *bool    `json:"stuckDetection,omitempty"`
	// StuckDetectionThresholds is OpenHands' object of that name.
	StuckDetectionThresholds json.RawMessage `json:"stuckDetectionThresholds,omitempty"`
	// ClientTools are tools that the client carries out, see
	// conversation/executeTool.
	ClientTools        []ClientTool               `json:"clientTools,omitempty"`
	ConfirmationPolicy json.RawMessage            `json:"confirmationPolicy,omitempty"`
	SecurityAnalyzer   json.RawMessage            `json:"securityAnalyzer,omitempty"`
	Secrets            map[string]json.RawMessage `json:"secrets,omitempty"`
	// MCPServers are servers by name, as in the agent's mcp_config, which they add to;
	// or a list, as the Agent Client Protocol has it.
	MCPServers json.RawMessage `json:"mcpServers,omitempty"`
	// HookConfig is OpenHands' HookConfig.
	HookConfig json.RawMessage   `json:"hookConfig,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Title      string            `json:"title,omitempty"`
}

// ClientTool is OpenHands' ClientToolSpec.
type ClientTool struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	// Parameters is a JSON Schema of an object; no parameters if absent.
	Parameters json.RawMessage `json:"parameters,omitempty"`
	// Annotations are MCP's hints; a tool without readOnlyHint is rated by the
	// model before it is called.
	Annotations json.RawMessage `json:"annotations,omitempty"`
}

// CreateResult is the result of conversation/create.
type CreateResult struct {
	Conversation Info   `json:"conversation"`
	Cursor       Cursor `json:"cursor"`
}

// OpenParams are the params of conversation/open.
type OpenParams struct {
	ID string `json:"id"`
	// Since is a Cursor, "start" or "end" (the default).
	Since json.RawMessage `json:"since,omitempty"`
	// Mode is "write" (the default) or "read".
	Mode           string `json:"mode,omitempty"`
	PersistenceDir string `json:"persistenceDir,omitempty"`
}

// OpenResult is the result of conversation/open. The events after From up to
// and including To are replayed next.
type OpenResult struct {
	Conversation Info `json:"conversation"`
	From         int  `json:"from"`
	To           int  `json:"to"`
	// Reset tells that the cursor was of another epoch: forget what you had.
	Reset bool `json:"reset,omitempty"`
}

// ListParams are the params of conversation/list.
type ListParams struct {
	Workspace      string `json:"workspace,omitempty"`
	Query          string `json:"query,omitempty"`
	Cursor         string `json:"cursor,omitempty"`
	Limit          int    `json:"limit,omitempty"`
	PersistenceDir string `json:"persistenceDir,omitempty"`
}

// ListResult is the result of conversation/list, the newest first.
type ListResult struct {
	Items []Info `json:"items"`
	Next  string `json:"next,omitempty"`
}

// IDParams are the params of methods that only name a conversation:
// conversation/state, pause, interrupt, close, delete.
type IDParams struct {
	ID             string `json:"id"`
	PersistenceDir string `json:"persistenceDir,omitempty"`
}

// EventsParams are the params of conversation/events. Without After and Before
// it starts at the oldest; with Before it gives the newest ones before it.
type EventsParams struct {
	ID    string `json:"id"`
	After *int   `json:"after,omitempty"`
	// Before is exclusive.
	Before *int `json:"before,omitempty"`
	// Limit is 500 at the most, and by default.
	Limit    int      `json:"limit,omitempty"`
	MaxBytes int      `json:"maxBytes,omitempty"`
	Kinds    []string `json:"kinds,omitempty"`
	// Branch is the id of the event that ends the branch to read; the active one if
	// absent.
	Branch         string `json:"branch,omitempty"`
	PersistenceDir string `json:"persistenceDir,omitempty"`
}

// EventsResult is the result of conversation/events, in ascending order. Next
// is the After of the next page and Prev the Before of the one before; each is
// absent at the end.
type EventsResult struct {
	Events []SeqEvent `json:"events"`
	Next   *int       `json:"next,omitempty"`
	Prev   *int       `json:"prev,omitempty"`
}

// SeqEvent is an event with its position.
type SeqEvent struct {
	Seq     int             `json:"seq"`
	Event   json.RawMessage `json:"event"`
	Display *event.Display  `json:"display,omitempty"`
}

// SendMessageParams are the params of conversation/sendMessage.
type SendMessageParams struct {
	ID string `json:"id"`
	// Message is a string, an OpenHands Message or a list of Content.
	Message   json.RawMessage `json:"message"`
	MessageID string          `json:"messageId,omitempty"`
	Sender    string          `json:"sender,omitempty"`
	Run       bool            `json:"run,omitempty"`
	// WhenBusy is "queue" (the default), "steer" or "reject".
	WhenBusy string `json:"whenBusy,omitempty"`
}

// SendMessageResult is the result of conversation/sendMessage.
type SendMessageResult struct {
	MessageID string `json:"messageId"`
	Seq       int    `json:"seq,omitempty"`
	RunID     string `json:"runId,omitempty"`
	// Disposition is appended, started, queued or steered.
	Disposition string `json:"disposition"`
}

// RunParams are the params of conversation/run.
type RunParams struct {
	ID   string `json:"id"`
	Wait bool   `json:"wait,omitempty"`
}

// RunResult is the result of conversation/run; Status and StopReason only with
// wait.
type RunResult struct {
	RunID      string     `json:"runId"`
	Status     Status     `json:"status,omitempty"`
	StopReason StopReason `json:"stopReason,omitempty"`
}

// PauseResult is the result of conversation/pause.
type PauseResult struct {
	Status Status `json:"status"`
}

// ConfirmParams are the params of conversation/confirm.
type ConfirmParams struct {
	ID        string `json:"id"`
	RequestID string `json:"requestId"`
	// Decision is "approve" or "reject".
	Decision string `json:"decision"`
	Reason   string `json:"reason,omitempty"`
	// Then is "continue" or "stop"; absent: a rejection with a reason continues,
	// one without stops.
	Then     string    `json:"then,omitempty"`
	Remember *Remember `json:"remember,omitempty"`
}

// AnswerParams are the params of conversation/answer.
type AnswerParams struct {
	ID        string `json:"id"`
	RequestID string `json:"requestId"`
	InputReply
}

// AnswerResult is the result of conversation/answer.
type AnswerResult struct {
	Accepted   bool        `json:"accepted"`
	ResolvedBy *ResolvedBy `json:"resolvedBy,omitempty"`
}

// RunToolParams are the params of conversation/runTool.
type RunToolParams struct {
	ID        string          `json:"id"`
	Tool      string          `json:"tool"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

// RunToolResult is the result of conversation/runTool: OpenHands' observation, or
// the error of a tool that could give none.
type RunToolResult struct {
	Observation json.RawMessage `json:"observation,omitempty"`
	Error       string          `json:"error,omitempty"`
}

// RerunActionsResult is the result of conversation/rerunActions. OK tells that
// every call gave an observation.
type RerunActionsResult struct {
	OK      bool          `json:"ok"`
	Results []RerunResult `json:"results"`
}

// RerunResult is what came of one call that was carried out again.
type RerunResult struct {
	ActionID string `json:"actionId"`
	Tool     string `json:"tool"`
	RunToolResult
	// Skipped says that the call was left out: it asks the user.
	Skipped bool `json:"skipped,omitempty"`
}

// Remember asks not to be asked again for exactly these commands.
type Remember struct {
	// Scope is "conversation" or "workspace".
	Scope string `json:"scope"`
}

// ConfirmResult is the result of conversation/confirm.
type ConfirmResult struct {
	Accepted   bool        `json:"accepted"`
	ResolvedBy *ResolvedBy `json:"resolvedBy,omitempty"`
}

// ResolvedBy says who answered a request and how.
type ResolvedBy struct {
	Client string `json:"client,omitempty"`
	// Via is reply, confirm, answer, run, reject, interrupt or rule.
	Via string `json:"via"`
}

// RejectParams are the params of conversation/rejectPendingActions.
type RejectParams struct {
	ID     string  `json:"id"`
	Reason *string `json:"reason,omitempty"`
}

// RejectResult is the result of conversation/rejectPendingActions.
type RejectResult struct {
	Rejected int `json:"rejected"`
}

// SetConfirmationPolicyParams are the params of
// conversation/setConfirmationPolicy; the result is [Info].
type SetConfirmationPolicyParams struct {
	ID     string          `json:"id"`
	Policy json.RawMessage `json:"policy"`
}

// SetSecurityAnalyzerParams are the params of conversation/setSecurityAnalyzer;
// the result is [Info].
type SetSecurityAnalyzerParams struct {
	ID       string          `json:"id"`
	Analyzer json.RawMessage `json:"analyzer"`
}

// UpdateSecretsParams are the params of conversation/updateSecrets: each value
// is a string, a SecretSource or null to forget the secret. It may come at any
// time.
type UpdateSecretsParams struct {
	ID      string                     `json:"id"`
	Secrets map[string]json.RawMessage `json:"secrets"`
}

// UpdateSecretsResult is the result of conversation/updateSecrets: the names
// that are known now, sorted.
type UpdateSecretsResult struct {
	Names []string `json:"names"`
}

// GenerateTitleParams are the params of conversation/generateTitle.
type GenerateTitleParams struct {
	ID string `json:"id"`
	// MaxLength is in characters; 50 if absent.
	MaxLength int `json:"maxLength,omitempty"`
	// LLM is OpenHands' LLM or the name of a profile; the agent's own model if
	// absent.
	LLM json.RawMessage `json:"llm,omitempty"`
}

// GenerateTitleResult is the result of conversation/generateTitle.
type GenerateTitleResult struct {
	Title string `json:"title"`
}

// AskAgentParams are the params of conversation/askAgent.
type AskAgentParams struct {
	ID       string `json:"id"`
	Question string `json:"question"`
}

// AskAgentResult is the result of conversation/askAgent.
type AskAgentResult struct {
	Answer string `json:"answer"`
}

// SwitchModelParams are the params of conversation/switchModel; the result is
// [Info]. One of Profile and LLM is given.
type SwitchModelParams struct {
	ID      string `json:"id"`
	Profile string `json:"profile,omitempty"`
	// LLM is OpenHands' LLM.
	LLM json.RawMessage `json:"llm,omitempty"`
}

// UpdateParams are the params of conversation/update; the result is [Info].
// Absent fields stay as they are.
type UpdateParams struct {
	ID                 string            `json:"id"`
	Title              *string           `json:"title,omitempty"`
	Tags               map[string]string `json:"tags,omitempty"`
	MaxIterationPerRun *int              `json:"maxIterationPerRun,omitempty"`
	// MaxBudgetPerRun is in USD; 0 takes the limit away.
	MaxBudgetPerRun *float64 `json:"maxBudgetPerRun,omitempty"`
	// Rules are the ids of the rules that stay; all others are forgotten.
	Rules []string `json:"rules,omitempty"`
}

// ForkParams are the params of conversation/fork; the result is [CreateResult].
type ForkParams struct {
	ID string `json:"id"`
	// From is the id of the event with which the new conversation ends; absent to
	// take everything over.
	From  string `json:"from,omitempty"`
	Title string `json:"title,omitempty"`
	// ConversationID is the id of the new conversation; one is made if absent.
	ConversationID string            `json:"conversationId,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
	// ResetMetrics lets the statistics begin anew; true if absent.
	ResetMetrics *bool `json:"resetMetrics,omitempty"`
	// PersistenceDir is where the source is stored; the new conversation goes there
	// too.
	PersistenceDir string `json:"persistenceDir,omitempty"`
}

// NavigateParams are the params of conversation/navigate; the result is [Info].
type NavigateParams struct {
	ID string `json:"id"`
	// EventID is the id of an event, or null for an empty branch.
	EventID json.RawMessage `json:"eventId"`
}

// BranchesResult is the result of conversation/branches, those that ended first
// first.
type BranchesResult struct {
	Branches []Branch `json:"branches"`
}

// Branch is one branch of a conversation, by the event that ends it.
type Branch struct {
	EventID string `json:"eventId"`
	// Seq is its length, and Shared how many of its events, from the first on, are
	// on the active branch too.
	Seq    int  `json:"seq"`
	Shared int  `json:"shared"`
	Active bool `json:"active,omitempty"`
}

// UnsendParams are the params of conversation/unsend; the result is [Queued],
// the message as it was kept.
type UnsendParams struct {
	ID        string `json:"id"`
	MessageID string `json:"messageId"`
}

// Blob stands in an event for a string that is too long for the client.
type Blob = event.Blob

// BlobParams are the params of conversation/blob.
type BlobParams struct {
	ID string `json:"id"`
	// Blob is what a [Blob] names, or observations/NAME for a file that a tool saved.
	Blob string `json:"blob"`
	// Offset and Limit are in bytes; Limit is 262144 if absent, and at most 4194304.
	Offset         int    `json:"offset,omitempty"`
	Limit          int    `json:"limit,omitempty"`
	PersistenceDir string `json:"persistenceDir,omitempty"`
}

// BlobResult is the result of conversation/blob: a piece as Text, whole
// characters, or as Data where it is no UTF-8.
type BlobResult struct {
	Text *string `json:"text,omitempty"`
	// Data is in base64.
	Data string `json:"data,omitempty"`
	// Offset is where the piece begins: where the one that was asked for is in the
	// middle of a character, at its beginning. Size is the length of the whole.
	Offset int `json:"offset"`
	Size   int `json:"size"`
	// Next is the Offset of the next piece; absent at the end.
	Next *int `json:"next,omitempty"`
}

// ChangesParams are the params of conversation/changes.
type ChangesParams struct {
	ID string `json:"id"`
	// Since is "kept" (the default), "run" for the newest run's start, or a seq: the
	// newest run's start if that run holds it, else as "kept".
	Since json.RawMessage `json:"since,omitempty"`
}

// ChangesResult is the result of conversation/changes, sorted by path.
type ChangesResult struct {
	Files []FileChange `json:"files"`
}

// FileChange is one file that is not what it was.
type FileChange struct {
	URI string `json:"uri"`
	// Status is added, modified, deleted or renamed.
	Status string `json:"status"`
	// OldURI is where a renamed file was.
	OldURI string `json:"oldUri,omitempty"`
	// Additions and Deletions count lines.
	Additions int `json:"additions"`
	Deletions int `json:"deletions"`
	// Binary tells that the file is no text, too large to show, or was not copied.
	Binary bool   `json:"binary,omitempty"`
	Hunks  []Hunk `json:"hunks"`
}

// Hunk is one change of a file. Lines count from 1; where a side has none its
// start is the line before.
type Hunk struct {
	// ID stays as long as the agent's change is the same.
	ID       string `json:"id"`
	OldStart int    `json:"oldStart"`
	OldLines int    `json:"oldLines"`
	// NewStart and NewLines are where the change is in the file as it is now.
	NewStart int `json:"newStart"`
	NewLines int `json:"newLines"`
	// Text is the lines that went, each after "-", and those that came, after "+".
	Text string `json:"text"`
}

// BaselineParams are the params of conversation/baseline.
type BaselineParams struct {
	ID  string `json:"id"`
	URI string `json:"uri"`
}

// BaselineResult is the result of conversation/baseline; empty where there was no
// such file.
type BaselineResult struct {
	Text *string `json:"text,omitempty"`
	// Binary tells that there was a file, and that it was no text.
	Binary bool `json:"binary,omitempty"`
}

// ChosenChangesParams are the params of conversation/keepChanges and undoChanges:
// all changes, those of one file, or some hunks of it.
type ChosenChangesParams struct {
	ID    string   `json:"id"`
	URI   string   `json:"uri,omitempty"`
	Hunks []string `json:"hunks,omitempty"`
}

// UndoChangesResult is the result of conversation/undoChanges.
type UndoChangesResult struct {
	Undone    []UndoneChange `json:"undone"`
	Conflicts []UndoConflict `json:"conflicts"`
}

// UndoneChange is a file that is what it was, or some hunks of it.
type UndoneChange struct {
	URI   string   `json:"uri"`
	Hunks []string `json:"hunks,omitempty"`
}

// UndoConflict is a hunk, or a file as a whole, that was not taken back.
type UndoConflict struct {
	URI    string `json:"uri"`
	Hunk   string `json:"hunk,omitempty"`
	Reason string `json:"reason"`
}

// PingResult is the result of agent/ping.
type PingResult struct {
	Version string `json:"version"`
	// Time is RFC 3339 with milliseconds, in UTC.
	Time string `json:"time"`
}

// ToolsResult is the result of agent/tools.
type ToolsResult struct {
	Tools []ToolInfo `json:"tools"`
}

// ToolInfo describes a tool.
type ToolInfo struct {
	Name        string          `json:"name"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"inputSchema"`
	Annotations json.RawMessage `json:"annotations,omitempty"`
	Default     bool            `json:"default"`
}

// SkillsParams are the params of agent/skills.
type SkillsParams struct {
	// Workspace is a file: URI; the first workspace folder if absent.
	Workspace string `json:"workspace,omitempty"`
}

// SkillsResult is the result of agent/skills.
type SkillsResult struct {
	Skills []SkillInfo `json:"skills"`
}

// SkillInfo describes a skill that a user may ask for.
type SkillInfo struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Command, as the first word of a message, shows the skill to the model: "/NAME".
	Command string `json:"command"`
	// Triggers are words that do so anywhere in a message.
	Triggers []string `json:"triggers"`
	// Origin is "project", "agent" (the settings) or "user".
	Origin string `json:"origin"`
	// Source is the file: URI of the file it comes from.
	Source string `json:"source,omitempty"`
	// Invocable tells whether the model may ask for it on its own.
	Invocable bool `json:"invocable"`
}

// ModelsResult is the result of agent/models.
type ModelsResult struct {
	// Default is the model that a new conversation would use; "" if none is
	// configured.
	Default string      `json:"default,omitempty"`
	Models  []ModelInfo `json:"models"`
	// Profiles are the saved models, by name.
	Profiles []ProfileInfo `json:"profiles"`
}

// ProfileInfo describes a saved model.
type ProfileInfo struct {
	Name    string `json:"name"`
	Model   string `json:"model"`
	BaseURL string `json:"baseUrl,omitempty"`
	// APIKeySet tells whether the profile holds a key that can be read.
	APIKeySet bool `json:"apiKeySet"`
	// Error is why the profile can't be used.
	Error string `json:"error,omitempty"`
}

// ModelInfo describes a model.
type ModelInfo struct {
	// ID is what LLM_MODEL takes: "anthropic/NAME".
	ID       string `json:"id"`
	Name     string `json:"name"`
	Provider string `json:"provider"`
	// ContextWindow is in tokens, costs are USD per million tokens; 0 if unknown.
	ContextWindow int     `json:"contextWindow,omitempty"`
	InputCost     float64 `json:"inputCost,omitempty"`
	OutputCost    float64 `json:"outputCost,omitempty"`
	Vision        bool    `json:"vision,omitempty"`
	Reasoning     bool    `json:"reasoning,omitempty"`
	// Available tells whether a key for it is at hand.
	Available bool `json:"available"`
}

// EventNotification are the params of conversation/event.
type EventNotification struct {
	ID      string          `json:"id"`
	Epoch   int             `json:"epoch"`
	Seq     int             `json:"seq"`
	Event   json.RawMessage `json:"event"`
	Display *event.Display  `json:"display,omitempty"`
	Replay  bool            `json:"replay,omitempty"`
}

// DeltaNotification are the params of conversation/delta. Offset is the byte
// offset of Text in its stream.
type DeltaNotification struct {
	ID     string      `json:"id"`
	RunID  string      `json:"runId"`
	Target DeltaTarget `json:"target"`
	// Stream is text, reasoning, stdout or args.
	Stream string `json:"stream"`
	Offset int    `json:"offset"`
	Text   string `json:"text"`
}

// DeltaTarget names what a delta belongs to: the event that will replace it, or
// a tool call.
type DeltaTarget struct {
	MessageID  string `json:"messageId,omitempty"`
	ToolCallID string `json:"toolCallId,omitempty"`
}

// StateChangedNotification are the params of conversation/stateChanged: the
// whole state each time, the last one wins.
type StateChangedNotification struct {
	Info
	Seq int `json:"seq"`
}

// RequestResolvedNotification are the params of conversation/requestResolved.
type RequestResolvedNotification struct {
	ID        string `json:"id"`
	RequestID string `json:"requestId"`
	// Outcome is approved, rejected or cancelled; of an input approved means that it
	// was answered, rejected that it was declined.
	Outcome string     `json:"outcome"`
	By      ResolvedBy `json:"by"`
}

// GapNotification are the params of conversation/gap: the events after After,
// up to and including To, were not sent; fetch them with conversation/events.
type GapNotification struct {
	ID    string `json:"id"`
	Epoch int    `json:"epoch"`
	After int    `json:"after"`
	To    int    `json:"to"`
}

// ShowMessageNotification are the params of window/showMessage, as in LSP: Type
// 1 is an error, 2 a warning, 3 an information.
type ShowMessageNotification struct {
	Type    int    `json:"type"`
	Message string `json:"message"`
}

// ConfirmationParams are the params of conversation/requestConfirmation.
type ConfirmationParams struct {
	ID string `json:"id"`
	Pending
}

// ConfirmationReply is a client's answer to conversation/requestConfirmation;
// null means: shown, still pending.
type ConfirmationReply struct {
	Decision string    `json:"decision"`
	Reason   string    `json:"reason,omitempty"`
	Remember *Remember `json:"remember,omitempty"`
}

// InputParams are the params of conversation/requestInput.
type InputParams struct {
	ID        string `json:"id"`
	RequestID string `json:"requestId"`
	Message   string `json:"message"`
	// Schema is a JSON Schema of an object, as MCP's elicitation has it: its
	// properties are the fields of a form.
	Schema json.RawMessage `json:"schema"`
}

// InputReply is a client's answer to conversation/requestInput; null means:
// shown, still pending.
type InputReply struct {
	// Action is "accept", "decline" or "cancel".
	Action string `json:"action"`
	// Content fits the schema; only with accept.
	Content json.RawMessage `json:"content,omitempty"`
}

// ExecuteToolParams are the params of conversation/executeTool.
type ExecuteToolParams struct {
	ID string `json:"id"`
	// RunID is absent for a call by conversation/runTool or rerunActions.
	RunID      string          `json:"runId,omitempty"`
	ToolCallID string          `json:"toolCallId"`
	Name       string          `json:"name"`
	Arguments  json.RawMessage `json:"arguments"`
}

// ExecuteToolResult is a client's answer to conversation/executeTool.
type ExecuteToolResult struct {
	// Content is a string or a list of text and image content: what the model reads.
	Content json.RawMessage `json:"content"`
	IsError bool            `json:"isError,omitempty"`
}

// SecretValueParams are the params of conversation/secretValue.
type SecretValueParams struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// SecretValueResult is a client's answer to conversation/secretValue; null or an
// empty value declines.
type SecretValueResult struct {
	Value string `json:"value"`
}
