package skill

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// parseFile makes a skill of a file. name is what the file is called if it does
// not say; agentSkill says that it is the SKILL.md of a folder of that name.
func parseFile(text, name string, agentSkill bool) (Skill, error) {
	fields, body, err := frontMatter(text)
	if err != nil {
		return Skill{}, err
	}
	s := Skill{Name: name, Content: strings.TrimSpace(body), AgentSkill: agentSkill}
	if given, err := textField(fields, "name"); err != nil {
		return Skill{}, err
	} else if given != "" {
		s.Name = given
	}
	if agentSkill && (s.Name != name || !skillName.MatchString(name) || len(name) > 64) {
		return Skill{}, fmt.Errorf("the name %q must be that of the folder, %q, of a-z, 0-9 and single dashes, up to 64 of them", s.Name, name)
	}
	if s.Description, err = textField(fields, "description"); err != nil {
		return Skill{}, err
	}
	s.Description = cut(s.Description, maxDescription)
	for _, key := range []string{"disable-model-invocation", "disable_model_invocation"} {
		v, err := textField(fields, key)
		if err != nil {
			return Skill{}, err
		}
		s.Hidden = s.Hidden || strings.EqualFold(v, "true")
	}
	if s.Inputs, err = inputs(fields["inputs"]); err != nil {
		return Skill{}, err
	}
	if s.Trigger, err = trigger(fields, &s); err != nil {
		return Skill{}, err
	}
	if s.Content == "" {
		return Skill{}, errors.New("it has no text")
	}
	return s, nil
}

var skillName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// trigger infers the trigger as OpenHands does: paths, then inputs, then
// triggers.
func trigger(fields map[string]any, s *Skill) (*Trigger, error) {
	paths, err := listField(fields, "paths")
	if err != nil {
		return nil, err
	}
	if text, ok := fields["paths"].(string); ok {
		paths = nil
		for _, p := range strings.Split(text, ",") {
			if p = strings.TrimSpace(p); p != "" {
				paths = append(paths, p)
			}
		}
	}
	words, err := listField(fields, "triggers")
	if err != nil {
		return nil, err
	}
	switch {
	case len(paths) > 0:
		return &Trigger{Type: "path", Paths: paths}, nil
	case len(s.Inputs) > 0:
		command := "/" + s.Name
		for _, w := range words {
			if w == command {
				command = ""
			}
		}
		if command != "" {
			words = append(words, command)
		}
		s.Content += "\n\n" + askInputs
		return &Trigger{Type: "task", Triggers: words}, nil
	case len(words) > 0:
		return &Trigger{Type: "keyword", Keywords: words}, nil
	}
	return nil, nil
}

// askInputs is added to the text of a task skill.
const askInputs = "If the request leaves one of the inputs above open and it can't be found out, ask for it before you begin."

func inputs(v any) ([]Input, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("inputs must be a list")
	}
	var all []Input
	for _, item := range list {
		switch item := item.(type) {
		case string:
			all = append(all, Input{Name: item})
		case map[string]any:
			name, err := textField(item, "name")
			if err != nil || name == "" {
				return nil, errors.New("an input needs a name")
			}
			description, err := textField(item, "description")
			if err != nil {
				return nil, err
			}
			all = append(all, Input{name, description})
		default:
			return nil, errors.New("an input must have a name and a description")
		}
	}
	return all, nil
}

func textField(fields map[string]any, key string) (string, error) {
	switch v := fields[key].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return "", fmt.Errorf("%s must be a text", key)
}

func listField(fields map[string]any, key string) ([]string, error) {
	switch v := fields[key].(type) {
	case nil:
		return nil, nil
	case string:
		return []string{v}, nil
	case []any:
		var list []string
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("%s must be a list of texts", key)
			}
			list = append(list, text)
		}
		return list, nil
	}
	return nil, fmt.Errorf("%s must be a list", key)
}

// legacyName is the name of a file below a folder of skills that says none: its
// path without extension.
func legacyName(rel string) string { return strings.TrimSuffix(rel, path.Ext(rel)) }
