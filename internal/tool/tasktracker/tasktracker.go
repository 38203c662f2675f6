// Package tasktracker is OpenHands' task_tracker: the list of tasks that the
// model keeps of its work, stored as TASKS.json beside the conversation.
//
// It gives the list no meaning beyond that, and starts no goroutine.
package tasktracker

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

//go:embed description.md
var description string

// Name is what models call the tool.
const Name = "task_tracker"

// The kinds of the tool's JSON, which are OpenHands' class names.
const (
	ActionKind      = "TaskTrackerAction"
	ObservationKind = "TaskTrackerObservation"
)

// The statuses of a [Task].
const (
	Todo       = "todo"
	InProgress = "in_progress"
	Done       = "done"
)

// Task is one task of the list.
type Task struct {
	Title  string `json:"title" jsonschema:"What is to be done, in a few words."`
	Notes  string `json:"notes" default:"" jsonschema:"Anything worth remembering about it."`
	Status string `json:"status" enum:"todo,in_progress,done" default:"todo" jsonschema:"Where it stands."`
}

// Action is OpenHands' TaskTrackerAction.
type Action struct {
	Command  string `json:"command" enum:"view,plan" default:"view" jsonschema:"view shows the list, plan replaces it."`
	TaskList []Task `json:"task_list" default:"[]" jsonschema:"For plan: all tasks, in the order in which they will be done."`
}

// Observation is OpenHands' TaskTrackerObservation.
type Observation struct {
	tool.Result
	Command string `json:"command"`
	// TaskList is the list as it is now.
	TaskList []Task `json:"task_list"`
}

var arguments = tool.NewArguments[Action](ActionKind)

// Tool is the list of one conversation.
type Tool struct {
	def   tool.Definition
	store store
	tasks []Task
}

// Entry is the tool's line in a registry.
func Entry() tool.Entry {
	return tool.Entry{Name: Name, Class: "TaskTrackerTool", New: func(env tool.Env) ([]tool.Tool, error) {
		return []tool.Tool{New(env.Dir)}, nil
	}}
}

// New makes the tool with the list that dir, the conversation's directory,
// holds; "" keeps the list in memory only. A list that can't be read is put
// aside and an empty one begun.
func New(dir string) *Tool {
	t := &Tool{store: store{dir}}
	t.tasks = t.store.load()
	t.def = tool.Definition{
		Name: Name, Kind: "TaskTrackerTool", ActionKind: ActionKind, ObservationKind: ObservationKind,
		Description: description,
		Annotations: &tool.Annotations{IdempotentHint: true},
		Input:       arguments.Schema(),
	}
	return t
}

// Definition implements [tool.Tool].
func (t *Tool) Definition() *tool.Definition { return &t.def }

// Decode implements [tool.Tool].
func (t *Tool) Decode(args json.RawMessage) (json.RawMessage, error) { return arguments.Decode(args) }

// Render implements [tool.Tool].
func (t *Tool) Render(observation json.RawMessage) []event.Content { return tool.Render(observation) }

// Close implements [tool.Tool].
func (t *Tool) Close() error { return nil }

// Run implements [tool.Tool].
func (t *Tool) Run(ctx context.Context, call tool.Call) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a, err := arguments.Read(call.Action)
	if err != nil {
		return nil, err
	}
	text := list(t.tasks)
	if a.Command == "plan" {
		t.tasks = a.TaskList
		text = fmt.Sprintf("The list was replaced; it has %d %s now.", len(t.tasks), noun(len(t.tasks)))
		if err := t.store.save(t.tasks); err != nil {
			text += fmt.Sprintf(" It could not be saved and will be lost with this session: %v.", err)
		}
	}
	tasks := t.tasks
	if tasks == nil {
		tasks = []Task{}
	}
	return event.EncodeKind(Observation{Result: tool.Success(text), Command: a.Command, TaskList: tasks}, ObservationKind)
}

var icons = map[string]string{Todo: "⏳", InProgress: "🔄", Done: "✅"}

// list writes the tasks as Markdown.
func list(tasks []Task) string {
	if len(tasks) == 0 {
		return "There is no task list yet. Make one with the command plan."
	}
	var b strings.Builder
	b.WriteString("# Task List\n\n")
	for i, task := range tasks {
		icon := icons[task.Status]
		if icon == "" {
			icon = icons[Todo]
		}
		fmt.Fprintf(&b, "%d. %s %s\n", i+1, icon, task.Title)
		if task.Notes != "" {
			fmt.Fprintf(&b, "   %s\n", strings.ReplaceAll(task.Notes, "\n", "\n   "))
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func noun(n int) string {
	if n == 1 {
		return "task"
	}
	return "tasks"
}

// Describe implements [tool.Tool].
func (t *Tool) Describe(action, observation json.RawMessage) event.Display {
	d := event.Display{Kind: event.DisplayOther, Title: "Plan", Status: tool.Status(observation)}
	source := observation
	if source == nil {
		source = action
	}
	var shown struct {
		TaskList []Task `json:"task_list"`
	}
	if json.Unmarshal(source, &shown) == nil && len(shown.TaskList) > 0 {
		done := 0
		for _, task := range shown.TaskList {
			if task.Status == Done {
				done++
			}
		}
		d.Summary = fmt.Sprintf("%d of %d done", done, len(shown.TaskList))
	}
	return d
}
