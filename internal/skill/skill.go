// Package skill is what an agent is told beside its prompt: OpenHands' AgentContext
// with its skills, the instruction files of a project (AGENTS.md and the like),
// and the notes of its memory.
//
// It reads files and decides which of them a prompt, a message or a path calls
// for; it talks to no model, writes nothing and starts no goroutine. What comes
// from a project is somebody else's text: it is read from inside the project
// only, bounded in size, and marked as such.
package skill

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Skill is OpenHands' Skill, as far as it is acted on.
type Skill struct {
	Name    string   `json:"name"`
	Content string   `json:"content"`
	Trigger *Trigger `json:"trigger"`
	// Source is the file it was read from, absolute; "" if it was given.
	Source      string `json:"source"`
	Description string `json:"description"`
	// AgentSkill says that it is listed by name and description, and read when it
	// is needed.
	AgentSkill bool `json:"is_agentskills_format"`
	// Hidden keeps it out of the list: the model can't invoke it.
	Hidden bool    `json:"disable_model_invocation"`
	Inputs []Input `json:"inputs"`

	Origin Origin `json:"-"`
}

// Origin tells where a skill comes from.
type Origin string

// The origins, from the strongest to the weakest.
const (
	OfProject Origin = "project"
	OfAgent   Origin = "agent" // its JSON
	OfUser    Origin = "user"
)

// Input is something that a task skill wants to know.
type Input struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Trigger says when a skill is shown to the model; a skill without one is always.
type Trigger struct {
	// Type is keyword, task or path.
	Type     string   `json:"type"`
	Keywords []string `json:"keywords,omitempty"`
	Triggers []string `json:"triggers,omitempty"`
	Paths    []string `json:"paths,omitempty"`
}

// Words are the words that trigger the skill.
func (t *Trigger) Words() []string {
	if t == nil {
		return nil
	}
	return slices.Concat(t.Keywords, t.Triggers)
}

// Always tells whether the skill's text stands in the prompt.
func (s *Skill) Always() bool { return s.Trigger == nil && !s.AgentSkill }

// Rule tells whether the skill is a path rule.
func (s *Skill) Rule() bool { return s.Trigger != nil && s.Trigger.Type == "path" }

// Invocable tells whether the model may ask for the skill.
func (s *Skill) Invocable() bool { return !s.Always() && !s.Rule() && !s.Hidden }

// Command tells whether a user may ask for the skill with /NAME.
func (s *Skill) Command() bool { return !s.Always() && !s.Rule() }

// maxDescription is OpenHands' limit, in characters.
const maxDescription = 1024

// UnmarshalJSON also takes OpenHands' older trigger types.
func (t *Trigger) UnmarshalJSON(data []byte) error {
	type plain Trigger
	if err := json.Unmarshal(data, (*plain)(t)); err != nil {
		return err
	}
	switch t.Type {
	case "keyword", "task", "path":
		return nil
	}
	return fmt.Errorf("trigger type %q is none of keyword, task, path", t.Type)
}

// check completes a skill that was given as JSON.
func (s *Skill) check() error {
	if strings.TrimSpace(s.Name) == "" {
		return errors.New("a skill has no name")
	}
	s.Description = cut(s.Description, maxDescription)
	s.Origin = OfAgent
	return nil
}

// cut shortens a text to a number of characters.
func cut(text string, limit int) string {
	if len(text) <= limit || utf8.RuneCountInString(text) <= limit {
		return text
	}
	runes := []rune(text)
	return string(runes[:limit-1]) + "…"
}
