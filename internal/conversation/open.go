package conversation

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
	"github.com/agent-rpc/agent-rpc/internal/conversation/store"
)

// Options are the parameters of OpenHands' LocalConversation.
type Options struct {
	// ID of the conversation; a new one if empty. With an id that exists the
	// conversation is resumed: what is given here wins over what is stored.
	ID string
	// Base is the folder that holds the conversations; "" keeps this one in
	// memory.
	Base string
	// Workspace is the absolute path of the folder to work in; required for a new
	// conversation.
	Workspace string
	// Agent is OpenHands' Agent JSON with every field optional. What it has not is
	// the stored agent's, or the configured default.
	Agent json.RawMessage
	// Profile names the saved model of the agent; its own llm object is stronger.
	Profile string
	// MaxIterations per run; 0 for the stored limit, or [DefaultMaxIterations].
	MaxIterations int
	// MaxBudget is what the conversation may cost, in USD, before a run of it ends;
	// 0 for no limit, nil for the stored one, or none.
	MaxBudget *float64
	// AutoTitle gives the conversation a title after the first run that finishes;
	// nil for what is stored, or not.
	AutoTitle *bool
	// ClientTools are tools that the client carries out, each an OpenHands
	// ClientToolSpec; nil for the stored ones.
	ClientTools []ClientTool
	// AskUser offers ask_user to the agent of a new conversation that names no tools:
	// the client can put questions to the user.
	AskUser bool
	// StuckDetection is on if nil.
	StuckDetection *bool
	// StuckThresholds are OpenHands' StuckDetectionThresholds; nil for the stored
	// ones, or the defaults.
	StuckThresholds json.RawMessage
	// Policy is a ConfirmationPolicy; nil for the stored one, or NeverConfirm.
	Policy json.RawMessage
	// Analyzer is a SecurityAnalyzer; nil for the stored one, or none.
	Analyzer json.RawMessage
	// Secrets are values or sources by name.
	Secrets map[string]json.RawMessage
	// Hooks is a HookConfig; nil for the stored one, or none.
	Hooks json.RawMessage
	Tags  map[string]string
	Title string
	// MustExist refuses to make a new conversation.
	MustExist bool

	// made is a store in memory that was made by a fork, and secrets what the
	// source of the fork knew.
	made    *store.Store
	secrets *secret.Registry
}

// env is what a [Manager] gives its conversations.
type env struct {
	newAgent NewAgent
	newHooks NewHooks // nil if there are none
	// newChanges is nil if nobody looks what runs change.
	newChanges NewChanges
	log        *slog.Logger
	onChange   func()
	secrets    func(conversationID string) secret.Options
	security   Security
	shared     *store.Workspaces
}

// open creates or resumes a conversation and starts its goroutine, which ends
// at Close. ctx bounds the life of the conversation.
func open(ctx context.Context, o Options, e env) (*Conversation, error) {
	s, err := openStore(&o)
	if err != nil {
		return nil, err
	}
	opened := false
	defer func() {
		if !opened {
			_ = s.Abandon() // nothing was written that is not there; the error or the panic says more
		}
	}()
	c, err := read(s, o, e)
	if err == nil {
		err = c.makeAgent(e, o)
	}
	if err == nil {
		err = c.makeChanges(e)
	}
	if err == nil {
		err = c.makeHooks(e, o.Hooks)
	}
	if err == nil {
		err = c.recover()
	}
	if err != nil {
		return nil, err
	}
	c.warnUnread()
	c.warnDamage()
	if err := c.save(); err != nil && !s.Existed() {
		return nil, err // who can't be stored is not there; who is there can be read
	}
	opened = true
	c.out = nil // nobody listens yet
	go c.loop(ctx)
	if c.diedInRun {
		// What the run changed before its process died is seen before anything else
		// changes.
		_ = c.post(func(ctx context.Context) { // closed: the next process looks
			c.look(ctx, counting(c.track.changes.End), c.logLook("looking at what a run changed whose process died"))
		})
	}
	return c, nil
}

// warnDamage says what of the log was passed over.
func (c *Conversation) warnDamage() {
	if problems := c.store.Problems(); len(problems) > 0 {
		c.log.Warn("files of the conversation are passed over", "conversation", c.id, "files", problems)
	}
	if damaged := c.history.damaged; len(damaged) > 0 {
		c.log.Warn("events of the conversation can't be read; it goes on from the ones before", "conversation", c.id, "error", errors.Join(damaged...))
	}
}

func openStore(o *Options) (*store.Store, error) {
	if o.ID == "" {
		o.ID = uuid.NewString()
	}
	id, err := ParseID(o.ID)
	if err != nil {
		return nil, err
	}
	o.ID = id
	if o.made != nil {
		return o.made, nil
	}
	if o.Base == "" {
		if o.MustExist {
			return nil, ErrNotFound
		}
		return store.Memory(), nil
	}
	if o.MustExist && !store.Exists(o.Base, id) {
		return nil, ErrNotFound
	}
	s, err := store.Open(o.Base, id, store.ReadWrite)
	var locked *store.LockedError
	switch {
	case errors.As(err, &locked):
		return nil, &LockedError{
			Owner{locked.PID, locked.Host},
			fmt.Sprintf("the conversation is held by another process (pid %d); close it there, or open it with mode \"read\"", locked.PID),
		}
	case err != nil:
		return nil, &PersistenceError{err}
	}
	return s, nil
}

// ParseID takes an id with or without dashes and gives it with.
func ParseID(id string) (string, error) {
	u, err := uuid.Parse(id)
	if err != nil {
		return "", &ValueError{"id", fmt.Sprintf("%q is not a UUID", id)}
	}
	return u.String(), nil
}

// read makes a conversation of what is stored and what is given, without an
// agent. Nothing is written.
func read(s *store.Store, o Options, e env) (*Conversation, error) {
	c := &Conversation{
		id: o.ID, store: s, log: e.log, onChange: e.onChange, secrets: secret.New(e.secrets(o.ID)),
		security: e.security, workspaces: e.shared,
		hooks: noHooks{}, box: newMailbox(), ended: make(chan struct{}),
		sent: map[string]Sent{}, stuckOn: true, status: Idle, maxIter: DefaultMaxIterations,
	}
	stored, err := c.readStored(s)
	if err != nil {
		return nil, err
	}
	if o.secrets != nil {
		c.secrets.Adopt(o.secrets)
	}
	if err := c.readGiven(o); err != nil {
		return nil, err
	}
	var head string
	if stored != nil {
		head = stored.head()
	}
	c.history, err = newHistory(s, c.side, head)
	if err != nil {
		return nil, &PersistenceError{err}
	}
	c.side.Before = head
	if stored != nil {
		c.history.lastUserMessage = stored.LastUserMessageID
	}
	c.side.dropSent(s)
	if c.side.CreatedAt.IsZero() {
		c.side.CreatedAt = firstTime(c.history)
	}
	if c.side.CreatedAt.IsZero() {
		c.side.CreatedAt = time.Now()
	}
	if c.side.UpdatedAt.IsZero() {
		c.side.UpdatedAt = c.side.CreatedAt
	}
	c.side.CreatedAt, c.side.UpdatedAt = c.side.CreatedAt.UTC(), c.side.UpdatedAt.UTC()
	return c, nil
}

// joinAgents puts the fields of the given agent on top of the stored one's. The
// model of a profile takes the place of the stored one, below the given one.
func joinAgents(stored, given json.RawMessage, profile string) (json.RawMessage, error) {
	if given == nil && profile == "" {
		return stored, nil
	}
	fields := map[string]json.RawMessage{}
	if stored != nil {
		_ = json.Unmarshal(stored, &fields) // one that can't be read is replaced
	}
	var over map[string]json.RawMessage
	if given != nil && json.Unmarshal(given, &over) != nil {
		return nil, &ValueError{"agent", "must be an object"}
	}
	maps.Copy(fields, over)
	if profile == "" {
		return encoded(fields), nil
	}
	model := map[string]json.RawMessage{"usage_id": encoded(ProfileUsage + profile)}
	if llm, ok := over["llm"]; ok && json.Unmarshal(llm, &model) != nil {
		return nil, &ValueError{"agent.llm", "must be an object"}
	}
	fields["llm"] = encoded(model)
	return encoded(fields), nil
}

// ProfileUsage begins the usage id of a profile's model; the profile's name follows.
const ProfileUsage = "profile:"

// ProfileLLM is the llm object that stands for a profile.
func ProfileLLM(name string) json.RawMessage {
	return encoded(map[string]string{"usage_id": ProfileUsage + name})
}

// readStored takes over base_state.json and agent_rpc.json; nil without them.
func (c *Conversation) readStored(s *store.Store) (*baseState, error) {
	side, err := s.LoadSidecar()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if c.side, err = decodeSidecar(side, err); err != nil {
		c.log.Warn("agent_rpc.json can't be read; what only it knew is lost: messages that waited, approvals that were remembered", "conversation", c.id, "error", err)
	}
	raw, err := s.LoadState()
	if errors.Is(err, fs.ErrNotExist) || err == nil && raw == nil {
		return nil, nil
	}
	if err != nil {
		return nil, &PersistenceError{err}
	}
	stored, err := decodeBaseState(raw)
	if err != nil {
		return nil, &PersistenceError{err}
	}
	if id, err := ParseID(stored.ID); err != nil || id != c.id {
		return nil, &PersistenceError{fmt.Errorf("the folder of conversation %s holds the state of %s", c.id, stored.ID)}
	}
	c.kept = *stored
	c.workspace, c.status, c.tags = stored.Workspace.WorkingDir, stored.ExecutionStatus, stored.Tags
	c.side.reconcile(c.status)
	if stored.MaxIterations > 0 {
		c.maxIter = stored.MaxIterations
	}
	if stored.StuckDetection != nil {
		c.stuckOn = *stored.StuckDetection
	}
	if len(stored.Policy) > 0 {
		if c.policy, err = policy.Parse(stored.Policy); err != nil {
			c.log.Warn("the stored confirmation policy can't be read; every action is asked for", "conversation", c.id, "error", err)
			c.policy = policy.Always()
		}
	}
	if c.analyzer, err = c.security.ParseAnalyzer(stored.Analyzer); err != nil {
		c.log.Warn("the stored security analyzer can't be run; every risk counts as unknown", "conversation", c.id, "error", err)
	}
	if len(stored.Stats) > 0 {
		if err := json.Unmarshal(stored.Stats, &c.stats); err != nil {
			c.log.Warn("the stored statistics can't be read and begin anew", "conversation", c.id, "error", err)
			c.stats = stats.Stats{}
		}
	}
	if len(stored.SecretRegistry) > 0 {
		if err := c.secrets.Load(stored.SecretRegistry, c.side.ClientSecrets); err != nil {
			c.log.Warn("the stored secrets can't be read", "conversation", c.id, "error", err)
		}
	}
	return stored, nil
}

// readGiven lets what the caller gives win over what is stored. If anything is
// wrong nothing is changed.
func (c *Conversation) readGiven(o Options) error {
	confirm, analyzer, kept := c.policy, c.analyzer, c.kept.Analyzer
	var err error
	switch {
	case o.Workspace == "" && c.workspace == "":
		return &ValueError{"workspace", "a new conversation needs a folder to work in"}
	case o.MaxIterations < 0:
		return &ValueError{"maxIterationPerRun", "must be at least 1"}
	}
	if err := checkBudget(o.MaxBudget); err != nil {
		return err
	}
	thresholds := c.side.StuckThresholds
	if o.StuckThresholds != nil {
		if err := json.Unmarshal(o.StuckThresholds, &thresholds); err != nil {
			return &ValueError{"stuckDetectionThresholds", err.Error()}
		}
	}
	if o.Policy != nil {
		if confirm, err = policy.Parse(o.Policy); err != nil {
			return &ValueError{"confirmationPolicy", err.Error()}
		}
	}
	if o.Analyzer != nil {
		if analyzer, err = c.security.ParseAnalyzer(o.Analyzer); err != nil {
			return &ValueError{"securityAnalyzer", err.Error()}
		}
		kept = nil
	}
	tags := maps.Clone(c.tags)
	if tags == nil {
		tags = map[string]string{}
	}
	maps.Copy(tags, o.Tags)
	if o.Title != "" {
		setTitle(&tags, o.Title)
	}
	if err := checkTags(tags); err != nil && (o.Tags != nil || o.Title != "") {
		return err
	}
	if err := c.secrets.Update(o.Secrets); err != nil {
		return &ValueError{"secrets", err.Error()}
	}
	c.maskTags(tags)
	c.workspace = cmp.Or(o.Workspace, c.workspace)
	c.maxIter = cmp.Or(o.MaxIterations, c.maxIter)
	if o.MaxBudget != nil {
		c.side.MaxBudget = *o.MaxBudget
	}
	if o.AutoTitle != nil {
		c.side.AutoTitle = *o.AutoTitle
	}
	if o.StuckDetection != nil {
		c.stuckOn = *o.StuckDetection
	}
	c.policy, c.analyzer, c.kept.Analyzer, c.tags = confirm, analyzer, kept, tags
	if c.side.StuckThresholds = thresholds; thresholds != nil {
		c.detector.Thresholds = *thresholds
	}
	return nil
}

// unreadable is the state of a conversation whose run can't be looked into: it
// opens, so that what can be read is read, and says what is wrong.
func (c *Conversation) unreadable(err error) {
	err = &PersistenceError{err}
	c.status, c.side.StopReason = Failed, StopError
	c.side.Error = &RunError{codeOf(err), err.Error(), event.Classify(codeOf(err), err.Error())}
}

// recover brings a conversation back into a truthful state: one whose process
// died in a run ends with an error, and nothing is run twice; one that waits
// goes on waiting.
func (c *Conversation) recover() error {
	asks, err := c.recoverInputs()
	if err != nil {
		c.unreadable(err)
		return nil
	}
	switch {
	case asks:
	case c.status == WaitingForConfirmation:
		if err := c.history.load(); err != nil {
			c.unreadable(err)
			break
		}
		if len(c.history.open.Actions()) == 0 {
			c.status, c.side.StopReason = Idle, ""
			break
		}
		if c.side.RunID == "" {
			c.side.RunID = uuid.NewString()
		}
		c.side.StopReason = StopWaiting
		c.run = &run{id: c.side.RunID, iteration: c.side.Iteration}
	case c.died():
		if err := c.history.load(); err != nil {
			c.unreadable(err)
			break
		}
		return c.endDead()
	}
	return nil
}

// keepsTools applies the reference's rule for resuming with another agent: it
// may have more tools than the stored one, but none less, for the history holds
// their calls.
func keepsTools(a Agent, stored json.RawMessage) error {
	if lost := a.Lacks(stored); len(lost) > 0 {
		return &ValueError{"agent.tools", "the conversation was held with tools that this agent lacks: " + strings.Join(lost, ", ")}
	}
	return nil
}

// died tells that what is stored is a run that goes on, and nobody is there for it
// to go on with. A process may also have died after it had stored the record of a
// run and before the status; an event that came later is another program's, and
// so is the status then.
func (c *Conversation) died() bool {
	return c.status == Running || c.status == Pausing || c.side.Executing && c.side.Known == c.store.Len()
}

// processEnded is the code of the error of a run whose process died.
const processEnded = "ProcessEnded"

// deadRun is the error of a run whose process died.
func deadRun() *RunError {
	return &RunError{
		processEnded, "The process ended while the run was going on.", event.Classification{Kind: "internal", Retryable: true, UserAction: "retry"},
	}
}

// failDead makes the state that of a conversation whose process died in a run.
func (c *Conversation) failDead() {
	c.status, c.side.StopReason, c.side.Error = Failed, StopError, deadRun()
}

// endDead ends a run whose process died. It may itself be cut short; the next
// process then finds what is there already.
func (c *Conversation) endDead() error {
	c.side.Inputs = nil
	c.diedInRun = c.track.changes != nil
	dead := deadRun()
	died := &event.ConversationError{
		Meta: event.Meta{Source: event.SourceEnvironment}, Code: dead.Code, Detail: dead.Message, Classification: dead.Classification,
	}
	if err := c.answerOpen("The process ended while this call was going on, so it did not complete. It may have had effects already; it was not run again."); err != nil {
		return err
	}
	if !c.endedBy(processEnded) {
		if err := c.appendAll(died); err != nil {
			return err
		}
	}
	c.failDead()
	return nil
}

// endedBy tells whether the newest event is an error of the given code.
func (c *Conversation) endedBy(code string) bool {
	n := len(c.history.events)
	if n == 0 {
		return false
	}
	e, ok := c.history.events[n-1].(*event.ConversationError)
	return ok && e.Code == code
}
