package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/agent/prompt"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/skill"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/invokeskill"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// load reads skills, instruction files and memory, once: at the first message
// and not when a conversation is opened.
func (a *Agent) load() {
	a.loading.Do(func() {
		a.known = a.context.Load(a.workspace.Root(), a.deps.Home)
		for _, w := range a.known.Warnings {
			a.deps.Log.Warn("the agent's context", "conversation", a.env.ConversationID, "warning", w)
			if a.deps.Warn != nil {
				a.deps.Warn(w)
			}
		}
		offers := a.tools
		if len(a.known.Listed()) > 0 {
			if with, err := tool.NewSet(append(a.tools.All(), a.invoke())...); err == nil {
				offers = with
			} // else a tool of the agent's own has the name, and is the one
		}
		for _, d := range offers.Definitions() {
			stored, err := d.Encode()
			if err != nil {
				a.deps.Log.Error("a tool's definition", "tool", d.Name, "error", err)
				continue
			}
			a.stored = append(a.stored, stored)
		}
		a.base = newOffer(offers, nil)
		a.current.Store(a.base)
	})
}

func (a *Agent) invoke() tool.Tool { return invokeskill.New(skills{a}) }

// facts is what the prompt tells of the conversation.
func (a *Agent) facts(secrets []secret.Info) prompt.Facts {
	f := prompt.Facts{
		Workspace: a.workspace.Root(), Standing: a.texts(a.known.Standing(a.own().Name())),
		Suffix: a.context.SystemSuffix, Secrets: secrets, Now: a.context.Date(time.Now()),
	}
	for _, m := range []prompt.Text{
		{Name: "memory of the person", Content: a.known.UserMemory},
		{Name: "memory of the project", Content: a.known.ProjectMemory, Untrusted: true},
	} {
		if m.Content != "" {
			f.Memory = append(f.Memory, m)
		}
	}
	for _, s := range a.known.Listed() {
		f.Skills = append(f.Skills, prompt.Skill{Name: s.Name, Description: s.Description})
	}
	return f
}

func (a *Agent) texts(list []skill.Skill) []prompt.Text {
	var texts []prompt.Text
	for _, s := range list {
		t := prompt.Text{Name: s.Name, Content: s.Content, Untrusted: s.Origin == skill.OfProject}
		if s.Source != "" {
			t.Source = a.workspace.Rel(s.Source)
		}
		texts = append(texts, t)
	}
	return texts
}

func names(list []skill.Skill) []string {
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names
}

// Enrich implements [conversation.Agent].
func (a *Agent) Enrich(e event.Event, action *event.Action, shown conversation.Shown) (added conversation.Enrichment) {
	a.load()
	var text string
	switch e := e.(type) {
	case *event.Message:
		asked := a.known.Asked(userText(e), shown.Skills)
		added.Shown.Skills = names(asked)
		text = prompt.Activation(a.texts(asked), a.context.UserSuffix)
	case *event.Observation:
		if name := invokeskill.Invoked(e.Observation); name != "" {
			added.Shown.Invoked = []string{name}
		}
		if action == nil {
			break
		}
		rules := a.known.Rules(pathOf(action.Action), a.workspace.Root(), a.own().Name(), shown.Rules)
		added.Shown.Rules = names(rules)
		text = prompt.Rules(a.texts(rules))
	}
	if text != "" {
		added.Content = []event.Content{event.Text(text)}
	}
	return added
}

func userText(e *event.Message) string {
	var parts []string
	for _, c := range e.LLMMessage.Content {
		parts = append(parts, c.Text)
	}
	return strings.Join(parts, "\n")
}

// pathOf is the path that an action names.
func pathOf(action json.RawMessage) string {
	var a struct {
		Path string `json:"path"`
	}
	if json.Unmarshal(action, &a) != nil {
		return "" // it has another form
	}
	return a.Path
}

// skills are an agent's skills for the tool invoke_skill.
type skills struct{ *Agent }

// Invoke implements [invokeskill.Skills].
func (s skills) Invoke(ctx context.Context, name string) (string, error) {
	s.load()
	found, ok := s.known.ByName(name)
	if !ok || !found.Invocable() {
		why := fmt.Sprintf("there is no skill %q", name)
		if ok && found.Command() {
			why = fmt.Sprintf("the skill %q is only for the person to ask for", name)
		}
		list := names(s.known.Listed())
		slices.Sort(list)
		if list == nil {
			list = []string{"<none>"}
		}
		return "", errors.New(why + "; there is: " + strings.Join(list, ", "))
	}
	text := skill.Inline(found.Content, func(command string) string { return s.inline(ctx, found.Origin, command) })
	t := s.texts([]skill.Skill{found})[0]
	t.Content = text
	text = t.Wrap()
	if found.Source != "" {
		if dir := filepath.Dir(found.Source); isDir(dir) {
			text += "\n\nThe skill's files are in " + s.workspace.Rel(dir)
		}
	}
	return text, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// The limits of a command in a skill's text.
const (
	inlineTimeout = 10 * time.Second
	inlineOutput  = 50 << 10
)

// inline runs a command that stands in a skill's text. A project's is run only
// if the user trusts the project: asking for the skill's text is no consent to
// what somebody wrote into it.
func (s skills) inline(ctx context.Context, origin skill.Origin, command string) string {
	if origin != skill.OfUser && (s.deps.Trusted == nil || !s.deps.Trusted(s.workspace.Root())) {
		return "[not run, since this folder is not in trusted_workspaces: " + command + "]"
	}
	r, err := s.workspace.Execute(ctx, workspace.Command{Line: command, Timeout: inlineTimeout, Env: workspace.Environ(s.deps.Private)})
	output := strings.TrimRight(r.Stdout, "\n")
	if len(output) > inlineOutput {
		output = strings.ToValidUTF8(output[:inlineOutput], "") + "\n[… cut here]"
	}
	switch {
	case err != nil:
		return fmt.Sprintf("[%s: %v]", command, err)
	case r.TimeoutOccurred:
		return fmt.Sprintf("%s\n[%s: ended after %s]", output, command, inlineTimeout)
	case r.ExitCode != 0:
		return fmt.Sprintf("%s\n[%s: exit code %d: %s]", output, command, r.ExitCode, firstLine(r.Stderr))
	}
	return output
}
