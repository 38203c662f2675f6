//go:build linux || darwin

package terminal

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// report is what the observation of a call says besides the command's output.
type report struct {
	command string
	// before is output of before.
	before []byte
	prefix string
	// note goes into the suffix of a command that ended.
	note string
}

// observe makes the observation of a call that ran something. Its exit code is
// that of m.
func (t *terminal) observe(r report, output []byte, m Metadata, suffix string) Observation {
	m.Prefix, m.Suffix = r.prefix, suffix
	code := m.ExitCode
	o := Observation{Command: r.command, ExitCode: &code, Metadata: m}
	text := string(append(r.before, overwrite(output)...))
	if t.env.Mask != nil {
		text = t.env.Mask(text)
	}
	o.setOutput(text, t.env.Dir)
	return o
}

// metadata is what a prompt tells.
func (t *terminal) metadata(p prompt) Metadata {
	return Metadata{
		ExitCode:          p.exitCode,
		PID:               p.pid,
		Username:          t.user,
		Hostname:          t.host,
		WorkingDir:        strings.ToValidUTF8(p.dir, "\uFFFD"),
		PyInterpreterPath: strings.ToValidUTF8(pythonPath(p), "\uFFFD"),
	}
}

// pythonPath finds python as the shell would.
func pythonPath(p prompt) string {
	if p.path == "" {
		return ""
	}
	for _, dir := range filepath.SplitList(p.path) {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(p.dir, dir)
		}
		path := filepath.Join(dir, "python")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// randomWord gives a word that no program prints by chance.
func randomWord() string { return rand.Text() }

func decimal(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// The exit codes that shells give to commands that SIGINT or SIGKILL ended.
const (
	codeInterrupted = 130
	codeKilled      = 137
)

// gone is the end of a command of which no prompt told.
func gone(code int, output []byte) *completion {
	return &completion{prompt: prompt{exitCode: code, pid: -1}, output: output}
}
