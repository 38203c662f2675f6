package acp

import "encoding/json"

// The types of the Agent Client Protocol v1, as far as we speak it: the stable
// schema that comes with version 2.4.0 of its TypeScript library, and session/fork
// of the unstable one. Fields that we neither send nor read are left out. What the
// schema lets be null is left out where it is.

const protocolVersion = 1

type meta map[string]any

type initializeParams struct {
	ProtocolVersion    int                `json:"protocolVersion"`
	ClientCapabilities clientCapabilities `json:"clientCapabilities,omitzero"`
	ClientInfo         *implementation    `json:"clientInfo,omitempty"`
}

type clientCapabilities struct {
	FS struct {
		ReadTextFile  bool `json:"readTextFile"`
		WriteTextFile bool `json:"writeTextFile"`
	} `json:"fs,omitzero"`
	Session struct {
		Compaction *struct{} `json:"compaction,omitempty"`
		Notices    *struct{} `json:"notices,omitempty"`
	} `json:"session,omitzero"`
	Auth struct {
		Terminal bool `json:"terminal"`
	} `json:"auth,omitzero"`
	Elicitation struct {
		Form *struct{} `json:"form,omitempty"`
	} `json:"elicitation,omitzero"`
}

type implementation struct {
	Name    string `json:"name"`
	Title   string `json:"title,omitempty"`
	Version string `json:"version"`
}

type initializeResult struct {
	ProtocolVersion   int               `json:"protocolVersion"`
	AgentCapabilities agentCapabilities `json:"agentCapabilities"`
	AuthMethods       []authMethod      `json:"authMethods"`
	AgentInfo         implementation    `json:"agentInfo"`
	Meta              meta              `json:"_meta,omitempty"`
}

type agentCapabilities struct {
	LoadSession         bool                `json:"loadSession"`
	PromptCapabilities  promptCapabilities  `json:"promptCapabilities"`
	MCPCapabilities     mcpCapabilities     `json:"mcpCapabilities"`
	SessionCapabilities map[string]struct{} `json:"sessionCapabilities"`
	Meta                meta                `json:"_meta,omitempty"`
}

type promptCapabilities struct {
	Image           bool `json:"image"`
	Audio           bool `json:"audio"`
	EmbeddedContext bool `json:"embeddedContext"`
}

type mcpCapabilities struct {
	HTTP bool `json:"http"`
	SSE  bool `json:"sse"`
}

// authMethod is of the kind agent without a Type.
type authMethod struct {
	Type        string   `json:"type,omitempty"`
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Args        []string `json:"args,omitempty"`
}

type authenticateParams struct {
	MethodID string `json:"methodId"`
}

type empty struct{}

// setupParams are those of session/new, load, resume and fork.
type setupParams struct {
	SessionID             string      `json:"sessionId,omitempty"`
	Cwd                   string      `json:"cwd"`
	AdditionalDirectories []string    `json:"additionalDirectories,omitempty"`
	MCPServers            []mcpServer `json:"mcpServers,omitempty"`
}

// mcpServer is one of stdio without a Type.
type mcpServer struct {
	Type    string       `json:"type"`
	Name    string       `json:"name"`
	Command string       `json:"command"`
	Args    []string     `json:"args"`
	Env     []namedValue `json:"env"`
	URL     string       `json:"url"`
	Headers []namedValue `json:"headers"`
}

type namedValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// setupResult is that of session/new, load, resume and fork.
type setupResult struct {
	SessionID     string         `json:"sessionId,omitempty"`
	Modes         modeState      `json:"modes"`
	ConfigOptions []configOption `json:"configOptions"`
}

type modeState struct {
	CurrentModeID  string `json:"currentModeId"`
	AvailableModes []mode `json:"availableModes"`
}

type mode struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// configOption is one to choose from a list.
type configOption struct {
	Type         string `json:"type"` // select
	ID           string `json:"id"`
	Name         string `json:"name"`
	Description  string `json:"description,omitempty"`
	Category     string `json:"category,omitempty"`
	CurrentValue string `json:"currentValue"`
	// Options are []choice, or []choiceGroup.
	Options any `json:"options"`
}

type choice struct {
	Value       string `json:"value"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

type choiceGroup struct {
	Group   string   `json:"group"`
	Name    string   `json:"name"`
	Options []choice `json:"options"`
}

type sessionParams struct {
	SessionID string `json:"sessionId"`
}

type listParams struct {
	Cwd    string `json:"cwd,omitempty"`
	Cursor string `json:"cursor,omitempty"`
}

type listResult struct {
	Sessions   []sessionInfo `json:"sessions"`
	NextCursor string        `json:"nextCursor,omitempty"`
}

type sessionInfo struct {
	SessionID             string   `json:"sessionId"`
	Cwd                   string   `json:"cwd"`
	AdditionalDirectories []string `json:"additionalDirectories,omitempty"`
	Title                 string   `json:"title,omitempty"`
	UpdatedAt             string   `json:"updatedAt,omitempty"`
}

type setModeParams struct {
	SessionID string `json:"sessionId"`
	ModeID    string `json:"modeId"`
}

type setConfigParams struct {
	SessionID string          `json:"sessionId"`
	ConfigID  string          `json:"configId"`
	Value     json.RawMessage `json:"value"`
}

type configResult struct {
	ConfigOptions []configOption `json:"configOptions"`
}

type promptParams struct {
	SessionID string         `json:"sessionId"`
	Prompt    []contentBlock `json:"prompt"`
}

type promptResult struct {
	StopReason string `json:"stopReason"`
	Meta       meta   `json:"_meta,omitempty"`
}

// The stop reasons of a prompt.
const (
	endTurn         = "end_turn"
	maxTurnRequests = "max_turn_requests"
	refusal         = "refusal"
	cancelled       = "cancelled"
)

// contentBlock is a text, image, audio, resource_link or resource.
type contentBlock struct {
	Type        string    `json:"type"`
	Text        *string   `json:"text,omitempty"`
	Data        string    `json:"data,omitempty"`
	MimeType    string    `json:"mimeType,omitempty"`
	URI         string    `json:"uri,omitempty"`
	Name        string    `json:"name,omitempty"`
	Title       string    `json:"title,omitempty"`
	Description string    `json:"description,omitempty"`
	Resource    *resource `json:"resource,omitempty"`
}

// resource holds a text, or a blob in base64.
type resource struct {
	URI      string  `json:"uri"`
	MimeType string  `json:"mimeType,omitempty"`
	Text     *string `json:"text,omitempty"`
	Blob     *string `json:"blob,omitempty"`
}

type sessionNotification struct {
	SessionID string `json:"sessionId"`
	Update    any    `json:"update"`
}

type messageChunk struct {
	SessionUpdate string       `json:"sessionUpdate"`
	Content       contentBlock `json:"content"`
	MessageID     string       `json:"messageId,omitempty"`
}

// toolCall is a tool_call, or a tool_call_update, of which only what is set counts.
type toolCall struct {
	SessionUpdate string            `json:"sessionUpdate,omitempty"`
	ToolCallID    string            `json:"toolCallId"`
	Title         string            `json:"title,omitempty"`
	Name          string            `json:"name,omitempty"`
	Kind          string            `json:"kind,omitempty"`
	Status        string            `json:"status,omitempty"`
	Content       []toolCallContent `json:"content,omitempty"`
	Locations     []location        `json:"locations,omitempty"`
	RawInput      json.RawMessage   `json:"rawInput,omitempty"`
	Meta          meta              `json:"_meta,omitempty"`
}

// toolCallContent is a content or a diff.
type toolCallContent struct {
	Type    string        `json:"type"`
	Content *contentBlock `json:"content,omitempty"`
	Path    string        `json:"path,omitempty"`
	OldText *string       `json:"oldText,omitempty"`
	NewText *string       `json:"newText,omitempty"`
}

type location struct {
	Path string `json:"path"`
	Line int    `json:"line,omitempty"`
}

type planUpdate struct {
	SessionUpdate string      `json:"sessionUpdate"`
	Entries       []planEntry `json:"entries"`
}

type planEntry struct {
	Content  string `json:"content"`
	Priority string `json:"priority"`
	Status   string `json:"status"`
}

type commandsUpdate struct {
	SessionUpdate     string    `json:"sessionUpdate"`
	AvailableCommands []command `json:"availableCommands"`
}

type command struct {
	Name        string        `json:"name"`
	Description string        `json:"description"`
	Input       *commandInput `json:"input,omitempty"`
}

type commandInput struct {
	Hint string `json:"hint"`
}

type modeUpdate struct {
	SessionUpdate string `json:"sessionUpdate"`
	CurrentModeID string `json:"currentModeId"`
}

type configUpdate struct {
	SessionUpdate string         `json:"sessionUpdate"`
	ConfigOptions []configOption `json:"configOptions"`
}

type infoUpdate struct {
	SessionUpdate string `json:"sessionUpdate"`
	Title         string `json:"title,omitempty"`
	UpdatedAt     string `json:"updatedAt,omitempty"`
}

type usageUpdate struct {
	SessionUpdate string `json:"sessionUpdate"`
	Used          int    `json:"used"`
	Size          int    `json:"size"`
	Cost          *cost  `json:"cost,omitempty"`
}

type cost struct {
	Amount   float64 `json:"amount"`
	Currency string  `json:"currency"`
}

type noticeUpdate struct {
	SessionUpdate string `json:"sessionUpdate"`
	Severity      string `json:"severity"`
	Title         string `json:"title"`
	Description   string `json:"description,omitempty"`
}

type compactionUpdate struct {
	SessionUpdate string         `json:"sessionUpdate"`
	CompactionID  string         `json:"compactionId"`
	Status        string         `json:"status"`
	Summary       []contentBlock `json:"summary,omitempty"`
}

type permissionParams struct {
	SessionID string             `json:"sessionId"`
	ToolCall  toolCall           `json:"toolCall"`
	Options   []permissionOption `json:"options"`
	Meta      meta               `json:"_meta,omitempty"`
}

type permissionOption struct {
	OptionID string `json:"optionId"`
	Name     string `json:"name"`
	Kind     string `json:"kind"`
}

type permissionResult struct {
	Outcome struct {
		Outcome  string `json:"outcome"` // selected or cancelled
		OptionID string `json:"optionId"`
	} `json:"outcome"`
}

type elicitationParams struct {
	Mode            string          `json:"mode"`
	SessionID       string          `json:"sessionId"`
	ToolCallID      string          `json:"toolCallId,omitempty"`
	Message         string          `json:"message"`
	RequestedSchema json.RawMessage `json:"requestedSchema"`
}

type elicitationResult struct {
	Action  string          `json:"action"`
	Content json.RawMessage `json:"content"`
}

type readParams struct {
	SessionID string `json:"sessionId"`
	Path      string `json:"path"`
}

type readResult struct {
	Content *string `json:"content"`
}

type writeParams struct {
	SessionID string `json:"sessionId"`
	Path      string `json:"path"`
	Content   string `json:"content"`
}

type steeringParams struct {
	SessionID    string         `json:"sessionId"`
	Prompt       []contentBlock `json:"prompt"`
	IdleBehavior string         `json:"idleBehavior,omitempty"`
}

type steeringResult struct {
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
}

type pauseResult struct {
	Status string `json:"status"`
}

type secretsParams struct {
	SessionID string                     `json:"sessionId"`
	Secrets   map[string]json.RawMessage `json:"secrets"`
}

type secretsResult struct {
	Names []string `json:"names"`
}
