package conversation

import (
	"context"
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
)

// Agent thinks and acts for one conversation. Package agent implements it; cmd
// plugs it in. Think, Act, Ask and Switch are called from goroutines of the
// conversation, never two Thinks at once, and two Acts only where [Agent.Concurrency]
// and [Agent.Resources] allow it; the other methods return at once.
type Agent interface {
	// Spec is the agent as OpenHands stores it, secrets sealed.
	Spec() json.RawMessage
	// Lacks lists the tools of a stored agent, by the names that it gives them, that
	// this one has not; an agent that can't be read has none.
	Lacks(stored json.RawMessage) []string
	// LLMs lists the models of the conversation by usage id, the agent's own first.
	LLMs() []LLM
	// Ready makes sure that the model can be asked: a model is configured and its
	// key is at hand. It may ask the client for the key.
	Ready(ctx context.Context) error
	// SystemPrompt makes the first event of a conversation. It tells of the
	// secrets what may be told.
	SystemPrompt(secrets []secret.Info) *event.SystemPrompt
	// Think asks the model once and turns its answer into events without ids.
	Think(ctx context.Context, q Question) (*Thought, error)
	// Enrich gives what the model reads together with a message of the user, or
	// with an observation, whose action is given: the skills that the one calls
	// for, the rules for the path that the other touched. shown is what the
	// conversation was shown before.
	Enrich(e event.Event, action *event.Action, shown Shown) Enrichment
	// Act carries out one valid action and gives an *event.Observation or an
	// *event.AgentError, without id. It never fails and never panics.
	Act(ctx context.Context, call Call) event.Event
	// Concurrency is how many calls of one answer may be carried out at a time:
	// OpenHands' tool_concurrency_limit, at least 1.
	Concurrency() int
	// Resources names what an action needs for itself while it is carried out,
	// such as "file:/path"; none if it may run beside anything.
	Resources(a *event.Action) []string
	// Action makes the valid action of a call that no model made. Its error is a
	// [ValueError] that names tool or arguments.
	Action(tool string, arguments json.RawMessage) (*event.Action, error)
	// Ask asks a model beside the run and gives its words, without blanks around
	// them. An answer without any is an error, which costs all the same.
	Ask(ctx context.Context, q Aside) (string, stats.Call, error)
	// Switch readies the model of an llm object and gives what makes it the agent's
	// own, from the next Think on. Nothing changes before install is called, which
	// must return at once. It may ask the client for the key.
	Switch(ctx context.Context, llm json.RawMessage) (install func(), err error)
	// Condensers are what keeps the history short, in the order in which they are
	// asked; nil where nothing does.
	Condensers() []Condenser
	// Render gives a stored observation as the model reads it.
	Render(observation json.RawMessage) []event.Content
	// Describe gives what a client shows of a call or of what answers it, of a hook,
	// or of a message with skills; action is the call that an answer is to, nil if it
	// is not known. Other events have no display: nil.
	Describe(e event.Event, action *event.Action) *event.Display
	// Outside gives the first path outside the allowed folders that the action
	// would touch with a file tool; "" if there is none.
	Outside(a *event.Action) string
	// Close ends the tools' processes; it returns when they ended or ctx ends. It
	// may be called twice.
	Close(ctx context.Context) error
}

// Shown names what a conversation was shown, once each: OpenHands'
// activated_knowledge_skills, activated_path_rules and invoked_skills.
type Shown struct{ Skills, Rules, Invoked []string }

// Enrichment is what an agent adds to an event, and the names of what it shows.
type Enrichment struct {
	Content []event.Content
	Shown   Shown
}

// Call is one action to carry out.
type Call struct {
	Action *event.Action
	// RunID is the run that it belongs to; "" outside of one.
	RunID string
	// Output takes the tool's output as it comes.
	Output func(text string)
	// Ask asks the user a structured question and waits for the answer. It fails
	// when ctx ends, when the question makes no sense, and outside of a run, where
	// nobody waits for one ([ErrNoRun]).
	Ask func(ctx context.Context, q Input) (InputAnswer, error)
}

// Question is what an agent is asked to think about.
type Question struct {
	Messages []event.LLMMessage
	// CacheKey names the conversation.
	CacheKey string
	// EventID is the id that the first event of the answer will have; deltas
	// name it.
	EventID string
	// Analyzed tells that a security analyzer looks at the actions, so that the
	// model's own word about their risk counts.
	Analyzed bool
	// Stream takes the answer's pieces as they come.
	Stream func(Piece)
}

// Aside is a question beside the run.
type Aside struct {
	Messages []event.LLMMessage
	// LLM is the model to ask, an llm object; nil for the agent's own.
	LLM json.RawMessage
	// History tells that the messages hold the conversation, with its calls. The
	// agent's own model is asked then, under a usage id for such questions.
	History bool
	// CacheKey names the conversation.
	CacheKey string
}

// Piece is a part of an answer as it comes. ToolCallID is set for arguments.
type Piece struct {
	Stream     Stream
	ToolCallID string
	Text       string
}

// Stream names what a [Delta] or a [Piece] belongs to.
type Stream string

// The streams.
const (
	StreamText      Stream = "text"
	StreamReasoning Stream = "reasoning"
	StreamStdout    Stream = "stdout"
	StreamArgs      Stream = "args"
)

// Thought is an answer of the model as events: one action per tool call (with
// an error event after each that was not valid), or one message.
type Thought struct {
	Events []event.Event
	// Told is what the model was told beside the messages, as of the environment; it
	// goes into the log before the answer.
	Told []string
	// Final tells that the answer is a message with text, which ends the turn.
	Final bool
	// Nudge is what to tell a model that answered with nothing to act on; "" if
	// it need not be told.
	Nudge string
	// Call is what the answer cost.
	Call stats.Call
}

// NewAgent makes the agent of a conversation. It must be quick and start
// nothing: no process, no connection.
type NewAgent func(env AgentEnv) (Agent, error)

// AgentEnv is what a conversation gives its agent.
type AgentEnv struct {
	ConversationID string
	// Spec is the Agent JSON given or stored, every field optional; nil for the
	// configured default.
	Spec json.RawMessage
	// Stored is the agent that the conversation has already, whether or not the Spec
	// changes it; nil if it has none. What it lacks is not to be filled in, and it
	// may name tools of another program.
	Stored json.RawMessage
	// ClientTools are the tools that the client carries out, each an OpenHands
	// ClientToolSpec; those of a stored agent are among them.
	ClientTools []ClientTool
	// AskUser says that an agent which names no tools has ask_user too.
	AskUser bool
	// Workspace is the absolute path of the workspace's root.
	Workspace string
	// Dir is the conversation's directory; "" when it is kept in memory.
	Dir string
	// Touch is to be told of a file before a tool writes it; nil if nobody looks.
	Touch func(path string)
	// Secrets gives the variables that a command names, with their values, and
	// says of each that has none why. It may ask a server or the client, and ends
	// with ctx.
	Secrets func(ctx context.Context, command string) (vars map[string]string, missing []string)
	// Secret gives the value of one secret, as Secrets does.
	Secret func(ctx context.Context, name string) (string, error)
	// Mask hides the values of secrets in a text.
	Mask func(text string) string
	// Hide makes Mask, and whatever else masks, hide values that are not of any
	// secret, such as the model's key.
	Hide func(values ...string)
	// Seal gives what stands on disk for a secret of the agent's own.
	Seal func(value string) string
	// Seed takes the secrets that come with the agent: values or sources by name.
	// Those that the conversation has count more.
	Seed func(secrets map[string]json.RawMessage) error
}
