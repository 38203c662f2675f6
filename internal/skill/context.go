package skill

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Context is OpenHands' AgentContext, every field optional.
type Context struct {
	Skills       []Skill  `json:"skills"`
	SystemSuffix string   `json:"system_message_suffix"`
	UserSuffix   string   `json:"user_message_suffix"`
	LoadProject  bool     `json:"load_project_skills"`
	LoadUser     bool     `json:"load_user_skills"`
	LoadPublic   bool     `json:"load_public_skills"`
	LoadMemory   bool     `json:"load_memory"`
	Disabled     []string `json:"disabled_skills"`
	// Secrets are values or sources by name.
	Secrets map[string]json.RawMessage `json:"secrets"`
	// CurrentDatetime is a text; absent for now, null for none.
	CurrentDatetime json.RawMessage `json:"current_datetime"`
}

// ParseContext reads an AgentContext; nothing, null and an empty array give an
// empty one. Two skills of one name are an error.
func ParseContext(raw json.RawMessage) (*Context, error) {
	c := &Context{}
	switch strings.TrimSpace(string(raw)) {
	case "", "null", "[]":
		return c, nil
	}
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i := range c.Skills {
		s := &c.Skills[i]
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("skills[%d]: %w", i, err)
		}
		if seen[s.Name] {
			return nil, fmt.Errorf("skills: two are named %q", s.Name)
		}
		seen[s.Name] = true
	}
	return c, nil
}

// Date is what the prompt says the time is, to the minute; "" if it shall not
// say.
func (c *Context) Date(now time.Time) string {
	var given string
	switch {
	case len(c.CurrentDatetime) == 0:
		return now.Format(minute)
	case json.Unmarshal(c.CurrentDatetime, &given) != nil || given == "":
		return ""
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, given); err == nil {
			return t.Format(minute)
		}
	}
	return cut(given, 64)
}

const minute = "2006-01-02T15:04"

// Known is what an agent knows beside its prompt: the context with what was read
// for it. It never changes and is safe for use by several goroutines.
type Known struct {
	*Context
	// All are the skills, the strongest first; none is there twice.
	All []Skill
	// ProjectMemory and UserMemory are notes that were kept; "" if there are none.
	ProjectMemory, UserMemory string
	// Warnings say what was left out, and why.
	Warnings []string

	root string // the workspace without symbolic links; "" if no rules are read from it
}

// Load reads what the context asks for. home may be empty.
func (c *Context) Load(workspace, home string) *Known {
	k := &Known{Context: c}
	var project, user []Skill
	if c.LoadProject || c.LoadMemory {
		k.read(workspace, func(p *place) {
			if c.LoadProject {
				project = p.projectSkills()
				k.root = p.workspace
			}
			if c.LoadMemory {
				k.ProjectMemory = p.text(p.join(memoryFile))
			}
		})
	}
	if home != "" && (c.LoadUser || c.LoadMemory) {
		p := userPlace(home, k)
		if c.LoadUser {
			user = p.skills(OfUser, skillDirs)
		}
		if c.LoadMemory {
			k.UserMemory = p.text(memoryFile)
		}
	}
	if c.LoadPublic {
		k.warn("load_public_skills is left out: skills are not fetched from the network; put them into ~/.agents/skills")
	}
	k.UserMemory, k.ProjectMemory = share(k.UserMemory, k.ProjectMemory, maxMemory)
	seen := map[string]bool{}
	for _, s := range slices.Concat(project, c.Skills, user) {
		if !seen[s.Name] && !slices.Contains(c.Disabled, s.Name) {
			k.All = append(k.All, s)
		}
		seen[s.Name] = true
	}
	return k
}

func (k *Known) warn(format string, args ...any) {
	k.Warnings = append(k.Warnings, fmt.Sprintf(format, args...))
}

// Standing are the skills whose text stands in the prompt of a model.
func (k *Known) Standing(model string) []Skill {
	return k.choose(func(s *Skill) bool { return s.Always() && s.suits(model) })
}

// Listed are the skills that the model may invoke.
func (k *Known) Listed() []Skill { return k.choose((*Skill).Invocable) }

func (k *Known) choose(keep func(*Skill) bool) []Skill {
	var list []Skill
	for i := range k.All {
		if keep(&k.All[i]) {
			list = append(list, k.All[i])
		}
	}
	return list
}

// suits tells whether the skill is meant for the model: CLAUDE.md and GEMINI.md
// are for those families.
func (s *Skill) suits(model string) bool {
	family, _, _ := strings.Cut(s.Name, ":")
	if family != "claude" && family != "gemini" {
		return true
	}
	return strings.Contains(strings.ToLower(model), family)
}

// Asked gives the skills that a message of the user calls for, but for those
// that were shown before.
func (k *Known) Asked(text string, shown []string) []Skill {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	return k.choose(func(s *Skill) bool {
		return s.Command() && !slices.Contains(shown, s.Name) && s.asks(text)
	})
}

// ByName finds a skill.
func (k *Known) ByName(name string) (Skill, bool) {
	i := slices.IndexFunc(k.All, func(s Skill) bool { return s.Name == name })
	if i < 0 {
		return Skill{}, false
	}
	return k.All[i], true
}
