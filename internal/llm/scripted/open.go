package scripted

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// Open makes the model that cfg.Model names: "scripted/PATH" plays a script,
// "scripted/demo" the built-in one, and "replay/PATH" a recording. PATH is
// relative to the process's folder; ~ is the user's home.
func Open(cfg llm.Config, opts Options) (llm.Model, error) {
	kind, path, ok := strings.Cut(cfg.Model, "/")
	if !ok || path == "" || kind != "scripted" && kind != "replay" {
		return nil, fmt.Errorf("the model %q is neither scripted/PATH nor replay/PATH", cfg.Model)
	}
	if kind == "scripted" && path == "demo" {
		return Parse("demo", []byte(demoScript), opts)
	}
	path, err := expandHome(path)
	if err != nil {
		return nil, err
	}
	if kind == "replay" {
		return OpenReplay(path, opts)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("opening the script: %w", err)
	}
	return Parse(path, data, opts)
}

func expandHome(path string) (string, error) {
	if path != "~" && !strings.HasPrefix(path, "~/") && !strings.HasPrefix(path, `~\`) {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("expanding ~: %w", err)
	}
	return filepath.Join(home, path[1:]), nil
}

// workspace finds what ${workspace} stands for.
func (m *Model) workspace(req *llm.Request) string {
	if m.opts.Workspace != "" {
		return m.opts.Workspace
	}
	for i := range req.Tools {
		if dir := workingDir(req.Tools[i].Description); dir != "" {
			return dir
		}
	}
	if len(req.Messages) > 0 {
		if dir := workingDir(req.Messages[0].Text()); dir != "" {
			return dir
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	return dir
}

// said finds a sentence that names the folder: "The working directory is PATH;".
var said = regexp.MustCompile("(?i)(?:working directory|workspace)(?: is| root)*:? +(?:`([^`\n]+)`|\"([^\"\n]+)\"|((?:[^;.\n]|\\.[^\\s;])+);|(\\S+))")

func workingDir(text string) string {
	for _, found := range said.FindAllStringSubmatch(text, -1) {
		dir := strings.TrimRight(found[1]+found[2]+found[3]+found[4], ".,;)")
		if filepath.IsAbs(dir) {
			return dir
		}
	}
	return ""
}
