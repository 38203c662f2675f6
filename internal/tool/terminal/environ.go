package terminal

import (
	"maps"
	"slices"
	"strings"
)

// environ gives the environment of a shell: that of this program without what
// is its own business, and with what a shell for an agent needs. overlay comes
// from the conversation's settings and wins over what is inherited.
func environ(inherited, private []string, overlay map[string]string, dir string) []string {
	env := make(map[string]string, len(inherited)+len(overlay))
	for _, entry := range inherited {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			env[name] = value
		}
	}
	for _, name := range private {
		delete(env, name)
	}
	maps.Copy(env, overlay)
	delete(env, "SESSION_API_KEY")
	if strings.TrimSpace(env["AI_AGENT"]) == "" {
		env["AI_AGENT"] = "openhands"
	}
	// A program that was packed with its own libraries keeps the user's path here.
	if original, ok := env["LD_LIBRARY_PATH_ORIG"]; ok {
		if original == "" {
			delete(env, "LD_LIBRARY_PATH")
		} else {
			env["LD_LIBRARY_PATH"] = original
		}
	}
	for _, name := range []string{"GIT_PAGER", "PAGER"} {
		if _, ok := env[name]; !ok {
			env[name] = "cat"
		}
	}
	env["TERM"] = "xterm-256color"
	env["PWD"] = dir
	for _, name := range []string{"HISTFILE", "PS1", "PROMPT_COMMAND", "LINES", "COLUMNS"} {
		delete(env, name)
	}
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// lookup gives a variable of an environment.
func lookup(environ []string, name string) string {
	for _, entry := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}
