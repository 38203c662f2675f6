package conversation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
	"github.com/agent-rpc/agent-rpc/internal/conversation/store"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stuck"
)

// baseState is OpenHands' base_state.json, in its order of fields.
type baseState struct {
	ID                string            `json:"id"`
	Agent             json.RawMessage   `json:"agent"`
	Workspace         workspaceState    `json:"workspace"`
	PersistenceDir    string            `json:"persistence_dir"`
	MaxIterations     int               `json:"max_iterations"`
	StuckDetection    *bool             `json:"stuck_detection"`
	ExecutionStatus   Status            `json:"execution_status"`
	AgentStatus       Status            `json:"agent_status"` // releases before 1.0
	Policy            json.RawMessage   `json:"confirmation_policy"`
	Analyzer          json.RawMessage   `json:"security_analyzer"`
	ActivatedSkills   []string          `json:"activated_knowledge_skills"`
	ActivatedRules    []string          `json:"activated_path_rules"`
	InvokedSkills     []string          `json:"invoked_skills"`
	BlockedActions    reasons           `json:"blocked_actions"`
	BlockedMessages   reasons           `json:"blocked_messages"`
	LastUserMessageID string            `json:"last_user_message_id"`
	LeafEventID       string            `json:"leaf_event_id"`
	HeadIsEmpty       bool              `json:"head_is_empty"`
	Stats             json.RawMessage   `json:"stats"`
	SecretRegistry    json.RawMessage   `json:"secret_registry"`
	SecretsManager    json.RawMessage   `json:"secrets_manager"` // releases before 1.0
	Tags              map[string]string `json:"tags"`
	AgentState        json.RawMessage   `json:"agent_state"`
	HookConfig        json.RawMessage   `json:"hook_config"`
}

type workspaceState struct {
	WorkingDir string `json:"working_dir"`
	Kind       string `json:"kind"`
}

// encode writes the state. It is assembled by hand so that the long lists of
// the statistics are copied, not parsed again, at every step.
func (s *baseState) encode() []byte {
	var o object
	o.value("id", s.ID)
	o.raw("agent", s.Agent)
	o.value("workspace", s.Workspace)
	if s.PersistenceDir != "" {
		o.value("persistence_dir", s.PersistenceDir)
	}
	o.value("max_iterations", s.MaxIterations)
	o.value("stuck_detection", s.StuckDetection == nil || *s.StuckDetection)
	o.value("execution_status", s.ExecutionStatus)
	o.raw("confirmation_policy", s.Policy)
	o.raw("security_analyzer", s.Analyzer)
	o.list("activated_knowledge_skills", s.ActivatedSkills)
	o.list("activated_path_rules", s.ActivatedRules)
	o.list("invoked_skills", s.InvokedSkills)
	o.tags("blocked_actions", s.BlockedActions)
	o.tags("blocked_messages", s.BlockedMessages)
	if s.LastUserMessageID != "" {
		o.value("last_user_message_id", s.LastUserMessageID)
	}
	if s.LeafEventID != "" {
		o.value("leaf_event_id", s.LeafEventID)
	}
	o.value("head_is_empty", s.HeadIsEmpty)
	o.rawOr("stats", s.Stats, `{"usage_to_metrics":{}}`)
	o.rawOr("secret_registry", s.SecretRegistry, `{"secret_sources":{}}`)
	o.tags("tags", s.Tags)
	o.rawOr("agent_state", s.AgentState, "{}")
	o.raw("hook_config", s.HookConfig)
	return o.bytes()
}

func decodeBaseState(raw []byte) (*baseState, error) {
	var s baseState
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("base_state.json can't be read: %w", err)
	}
	if s.ExecutionStatus == "" {
		s.ExecutionStatus = s.AgentStatus
	}
	if s.ExecutionStatus == "" {
		s.ExecutionStatus = Idle
	}
	if s.SecretRegistry == nil {
		s.SecretRegistry = s.SecretsManager
	}
	if s.Analyzer == nil && s.AgentStatus != "" {
		var agent struct {
			Analyzer json.RawMessage `json:"security_analyzer"` // releases before 1.0
		}
		_ = json.Unmarshal(s.Agent, &agent) // an agent that can't be read has none
		s.Analyzer = agent.Analyzer
	}
	return &s, nil
}

// head is HEAD: the id of an event, [event.Root] for an empty branch of a log
// that has events, "" where there is none or nobody said which.
func (s *baseState) head() string {
	if s.HeadIsEmpty {
		return event.Root
	}
	return s.LeafEventID
}

// sidecar is agent_rpc.json: what OpenHands has no place for. A conversation
// without it opens all the same.
type sidecar struct {
	Version int `json:"version"`
	Epoch   int `json:"epoch"`
	// Linear promises that the first Known events form one branch.
	Linear bool `json:"linear"`
	Known  int  `json:"known"`
	// Seq is the length of the branch, and Head its end, see [baseState.head].
	// Before is what base_state.json, which is written after this file, said of it
	// until then.
	Seq       int       `json:"seq"`
	Head      string    `json:"head,omitempty"`
	Before    string    `json:"before,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	RunID     string    `json:"runId,omitempty"`
	// Executing tells that the run was neither over nor waiting, or that beside what
	// waits something was going on that can't be done twice.
	Executing  bool         `json:"executing,omitempty"`
	Iteration  int          `json:"iteration,omitempty"`
	StopReason StopReason   `json:"stopReason,omitempty"`
	Error      *RunError    `json:"error,omitempty"`
	Queue      []Outgoing   `json:"queue,omitempty"`
	Steering   []Outgoing   `json:"steering,omitempty"`
	Resolved   []Resolution `json:"resolved,omitempty"`
	// MaxBudget is in USD; 0 for no limit.
	MaxBudget float64 `json:"maxBudgetPerRun,omitempty"`
	AutoTitle bool    `json:"autoTitle,omitempty"`
	// Asked says why the confirmation that waits was asked for.
	Asked *asked `json:"asked,omitempty"`
	// Inputs are the questions of tools that wait for the user. Where nothing else
	// was going on (Executing is false) they can wait over a restart.
	Inputs []input `json:"inputs,omitempty"`
	// StuckThresholds are the limits of stuck detection; nil for the defaults.
	StuckThresholds *stuck.Thresholds `json:"stuckDetectionThresholds,omitempty"`
	// ClientSecrets names the secrets that are the client's; OpenHands has no such
	// kind.
	ClientSecrets []string `json:"clientSecrets,omitempty"`
	// RunFrom is the seq after which the newest run began.
	RunFrom int         `json:"runFrom,omitempty"`
	Changes ChangeCount `json:"changes,omitzero"`
	// Undone is what the model has not been told yet.
	Undone *undone `json:"undone,omitempty"`
	// Masked are the open actions that hold a secret and are stored without it.
	Masked []string `json:"masked,omitempty"`
	// Rules are what the user wants not to be asked again in this conversation.
	Rules []policy.Rule `json:"rules,omitempty"`
}

// asked is why the user was asked.
type asked struct {
	Reason  string                 `json:"reason,omitempty"`
	Actions map[string]askedAction `json:"actions,omitempty"` // by id
}

// askedAction is what was said of one action.
type askedAction struct {
	Risk event.Risk `json:"risk"`
	// Ask is false where it only waits for others of its batch.
	Ask    bool   `json:"ask"`
	Reason string `json:"reason,omitempty"`
}

// decodeSidecar gives a sidecar in any case: it only adds to what OpenHands
// stores, and without it we know less, no more. err is that of reading it.
func decodeSidecar(raw []byte, err error) (*sidecar, error) {
	sc := &sidecar{}
	if raw != nil && err == nil {
		if err = json.Unmarshal(raw, sc); err == nil && sc.Version != 1 {
			err = fmt.Errorf("its version is %d, not 1", sc.Version)
		}
	}
	if raw == nil || err != nil {
		return &sidecar{Version: 1, Epoch: 1}, err
	}
	if sc.Epoch < 1 {
		sc.Epoch = 1
	}
	return sc, nil
}

// head gives HEAD and the number of events of which it may be told apart: later
// ones that continue it belong to the branch. stored is what base_state.json says.
func (sc *sidecar) head(stored string, all int) (head string, known int) {
	switch stored {
	case sc.Head, sc.Before:
		// As we left it, or the process died between the two files.
		return sc.Head, sc.Known
	}
	return stored, all // another program moved it
}

// stopReasons are the reasons that fit a status, the likeliest first.
var stopReasons = map[Status][]StopReason{
	Idle:                   {"", StopRejected},
	Paused:                 {StopPaused, StopInterrupted},
	WaitingForConfirmation: {StopWaiting},
	Finished:               {StopFinished},
	Failed:                 {StopError, StopMaxIterations, StopBudget},
	Stuck:                  {StopStuck},
}

// reconcile drops what does not fit the status: another program has used the
// conversation since, which knows nothing of the sidecar.
func (sc *sidecar) reconcile(s Status) {
	reasons := stopReasons[s]
	if len(reasons) == 0 {
		sc.StopReason = ""
	} else if !slices.Contains(reasons, sc.StopReason) {
		sc.StopReason = reasons[0]
	}
	if s != Failed && s != Stuck {
		sc.Error = nil
	}
}

// dropSent drops the messages that wait although they are in the log: the process
// died between the two writes.
func (sc *sidecar) dropSent(s *store.Store) {
	sent := func(m Outgoing) bool {
		_, ok := s.Index(m.ID)
		return ok
	}
	if sc.Undone != nil && sent(Outgoing{ID: sc.Undone.ID}) {
		sc.Undone = nil
	}
	sc.Queue, sc.Steering = slices.DeleteFunc(sc.Queue, sent), slices.DeleteFunc(sc.Steering, sent)
}

// object builds a JSON object field by field.
type object struct{ buf []byte }

func (o *object) key(name string) {
	if len(o.buf) == 0 {
		o.buf = append(o.buf, '{')
	} else {
		o.buf = append(o.buf, ',')
	}
	o.buf = strconv.AppendQuote(o.buf, name)
	o.buf = append(o.buf, ':')
}

// raw adds encoded JSON; null is left out.
func (o *object) raw(name string, v json.RawMessage) {
	if len(v) == 0 || string(v) == "null" {
		return
	}
	o.key(name)
	o.buf = append(o.buf, v...)
}

func (o *object) rawOr(name string, v json.RawMessage, fallback string) {
	if len(v) == 0 || string(v) == "null" {
		v = json.RawMessage(fallback)
	}
	o.raw(name, v)
}

func (o *object) value(name string, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		return // strings, numbers and booleans always encode
	}
	o.raw(name, raw)
}

func (o *object) list(name string, v []string) {
	if v == nil {
		v = []string{}
	}
	o.value(name, v)
}

func (o *object) tags(name string, v map[string]string) {
	if v == nil {
		v = map[string]string{}
	}
	o.value(name, v)
}

func (o *object) bytes() []byte { return append(o.buf, '}') }

// maxTag is how many characters the value of a tag may have.
const maxTag = 256

// checkTags applies OpenHands' rules for tags: keys of lower-case letters and
// digits, values of up to 256 characters.
func checkTags(tags map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if k == "" {
			return &ValueError{"tags", "a key is empty"}
		}
		for _, r := range k {
			if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
				return &ValueError{"tags", fmt.Sprintf("key %q: only a-z and 0-9 are allowed", k)}
			}
		}
		if len([]rune(tags[k])) > maxTag {
			if k == "title" {
				return &ValueError{"title", "is longer than 256 characters"}
			}
			return &ValueError{"tags", fmt.Sprintf("the value of %q is longer than 256 characters", k)}
		}
	}
	return nil
}

// stored gives the status as OpenHands knows it.
func (s Status) stored() Status {
	switch s {
	case Pausing:
		return Running
	case WaitingForInput:
		return Paused
	}
	return s
}

// firstTime gives the time of the first event, for conversations without a
// sidecar.
func firstTime(h *history) time.Time {
	if h.len() > 0 {
		if e, err := h.at(1); err == nil {
			return e.Head().Time()
		}
	}
	return time.Time{}
}
