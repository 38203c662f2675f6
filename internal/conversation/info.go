package conversation

import (
	"encoding/json"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stuck"
)

// Status is the state of a conversation.
type Status string

// The statuses. Pausing and WaitingForInput are ours: they are stored as running
// and paused.
const (
	Idle                   Status = "idle"
	Running                Status = "running"
	Pausing                Status = "pausing"
	Paused                 Status = "paused"
	WaitingForConfirmation Status = "waiting_for_confirmation"
	WaitingForInput        Status = "waiting_for_input"
	Finished               Status = "finished"
	Failed                 Status = "error"
	Stuck                  Status = "stuck"
	Deleting               Status = "deleting"
)

// StopReason says why a run ended or waits.
type StopReason string

// The stop reasons.
const (
	StopFinished      StopReason = "finished"
	StopPaused        StopReason = "paused"
	StopInterrupted   StopReason = "interrupted"
	StopWaiting       StopReason = "waiting_for_confirmation"
	StopMaxIterations StopReason = "max_iterations"
	StopBudget        StopReason = "budget"
	StopStuck         StopReason = "stuck"
	StopRejected      StopReason = "rejected"
	StopError         StopReason = "error"
)

// Cursor is a position on the active branch: seq counts from 1, and the epoch
// grows when the branch changes.
type Cursor struct{ Epoch, Seq int }

// Info is a snapshot of a conversation's state.
type Info struct {
	ID                 string
	Title              string
	Workspace          string // absolute path
	Status             Status
	RunID              string
	StopReason         StopReason
	CreatedAt          time.Time
	UpdatedAt          time.Time
	Cursor             Cursor
	MaxIterations      int
	MaxBudget          float64 // USD; 0 for no limit
	AutoTitle          bool
	ConfirmationPolicy json.RawMessage
	SecurityAnalyzer   json.RawMessage // nil if there is none
	Model              string
	LLMs               []LLM           // the agent's own first, then in the order of their first use
	Stats              json.RawMessage // OpenHands' ConversationStats, in its snapshot form
	Pending            []Pending
	Queued             []Outgoing
	Tags               map[string]string
	Rules              []Rule
	Error              *RunError
	LockedBy           *Owner
	Changes            ChangeCount // what the agent changed and nobody kept, as far as it was counted
	// StuckThresholds are nil where stuck detection is off.
	StuckThresholds *stuck.Thresholds
}

// LLM is one model of a conversation: an entry of OpenHands' LLMRegistry.
type LLM struct {
	UsageID string
	Model   string // "PROVIDER/NAME"; "" if none is configured
	// Unpriced tells that its last answer cost something, and nobody knows what.
	Unpriced bool
}

// RunError says why a run failed.
type RunError struct {
	Code           string               `json:"code"`
	Message        string               `json:"message"`
	Classification event.Classification `json:"classification"`
}

// Owner is the process that holds a conversation.
type Owner struct {
	PID  int
	Host string
}

// Pending is what waits for the user: a batch of actions for one decision, or a
// question of the one action that asks.
type Pending struct {
	RequestID string
	RunID     string
	Kind      PendingKind
	Actions   []PendingAction
	Reason    string
	// Message and Schema are those of the [Input].
	Message string
	Schema  json.RawMessage
	// Memorable tells that an approval can be remembered.
	Memorable bool
}

// PendingKind says how a [Pending] is answered.
type PendingKind string

// The kinds: Confirm answers a confirmation, Answer an input.
const (
	KindConfirmation PendingKind = "confirmation"
	KindInput        PendingKind = "input"
)

// PendingAction is one action of a [Pending].
type PendingAction struct {
	Action  *event.Action
	Display *event.Display
	// Risk is what the analyzer says.
	Risk   event.Risk
	Reason string
	// Parts are the simple commands of a command; nil for other actions.
	Parts []policy.Part

	asks bool // it does not only wait for others of its batch
}

// Outgoing is a message on its way into a conversation. ID becomes the id of
// its event.
type Outgoing struct {
	ID      string           `json:"messageId"`
	Message event.LLMMessage `json:"message"`
	Sender  string           `json:"sender,omitempty"`
}

// Record is one event at its place, with its JSON as it is on disk.
type Record struct {
	Seq     int
	Event   event.Event
	JSON    json.RawMessage
	Display *event.Display
	// Replay tells that the event is an old one, sent because a client asked.
	Replay bool

	cuts *cuts // nil where one client alone gets it
}

// Delta is a piece of an answer or of a tool's output as it comes; it is never
// stored. One of MessageID and ToolCallID is set. Offset counts bytes from the
// start of its stream.
type Delta struct {
	RunID      string
	MessageID  string
	ToolCallID string
	Stream     Stream
	Offset     int
	Text       string
}

// Resolution tells how a [Pending] was resolved.
type Resolution struct {
	RequestID string `json:"requestId"`
	// Outcome is approved, rejected or cancelled; of a question that was answered
	// approved, of one that was declined rejected.
	Outcome string `json:"outcome"`
	// Via is reply, confirm, answer, run, reject, interrupt or rule.
	Via    string `json:"via"`
	Client string `json:"client,omitempty"`

	reason string
	goOn   bool
}

// Outcome is how a run ended, or that it waits.
type Outcome struct {
	RunID      string
	Status     Status
	StopReason StopReason
}

// Observer is told what happens in a conversation: OpenHands' callbacks and
// token callbacks. Everything but Delta comes from the conversation's own
// goroutine, in order, after it is on disk; Delta comes from the goroutine that
// works, and always before the event that ends it. No method may block.
type Observer interface {
	Event(epoch int, r Record)
	Delta(d Delta)
	// State gives the whole state; ended tells that this is the one terminal
	// state of the run that info names.
	State(info Info, ended bool)
	// Started and Ended frame a run; Ended comes after its terminal State. A run
	// that waited in a process before this one starts when it goes on.
	Started(runID string)
	Ended(o Outcome)
	// Waiting rings the doorbell: something waits for the user.
	Waiting(p Pending)
	Resolved(r Resolution)
}
