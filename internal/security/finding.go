package security

import (
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// finding is something that a rule says about a command.
type finding struct {
	risk event.Risk
	// id names the rule, as OpenHands' detector ids where it has the rule too;
	// rail is the name of the rail that holds it, if one does.
	id, rail string
	// why says what the command does: "deletes folders without asking".
	why string
	// within is the command inside of a script that it is about; "" where it is
	// the command itself.
	within string
}

var (
	removal    = finding{risk: event.RiskHigh, id: "exec.destruct.rm_rf", why: "deletes folders with all that is in them, without asking"}
	asRoot     = finding{risk: event.RiskHigh, id: "exec.destruct.sudo_rm", why: "deletes with the rights of another user"}
	formatting = finding{risk: event.RiskHigh, id: "exec.destruct.mkfs", rail: railDisk, why: "formats a disk"}
	rawDisk    = finding{risk: event.RiskHigh, id: "exec.destruct.dd_raw_disk", rail: railDisk, why: "writes to a device"}
	findDelete = finding{risk: event.RiskMedium, id: "exec.destruct.find_delete", why: "deletes what it finds"}
)

// catastrophe is [removal] of a folder that a system or a user can't do without.
func catastrophe(dir string) finding {
	f := removal
	f.rail, f.why = railDelete, "deletes "+dir+" with all that is in it"
	return f
}

func (p *part) add(f finding) {
	for _, known := range p.findings {
		if known.id == f.id && known.why == f.why {
			return
		}
	}
	p.findings = append(p.findings, f)
}

// unknown notes that not all of what the command does can be told.
func (p *part) unknown(why string) {
	p.add(finding{risk: event.RiskUnknown, id: "exec.unknown", why: why})
}

// fetched notes that what is downloaded is run.
func (p *part) fetched(by string) {
	id := "exec.net.curl_pipe_exec"
	if strings.HasPrefix(by, "wget") {
		id = "exec.net.wget_pipe_exec"
	}
	p.add(finding{risk: event.RiskHigh, id: id, rail: railFetch, why: "runs what " + by + " downloads, unseen"})
}

// judge applies the rules that need a command's words.
func (p *part) judge(r run) {
	args := r.words[1:]
	switch name := base(r.words[0].text); {
	case name == "rm" || name == "grm":
		if dir, ok := removes(args); ok {
			if dir != "" {
				p.add(catastrophe(dir))
			}
			p.add(removal)
		}
		if r.sudo {
			p.add(asRoot)
		}
	case name == "dd":
		for _, a := range args {
			if to, ok := strings.CutPrefix(a.text, "of="); ok && isDevice(to) {
				p.add(rawDisk)
			}
		}
	case name == "mkfs" || strings.HasPrefix(name, "mkfs.") || name == "mke2fs" || name == "mkswap" || name == "wipefs":
		p.add(formatting)
	}
}

// removes tells whether rm goes into folders without asking, and names one of
// those that must not go.
func removes(args []word) (dir string, yes bool) {
	var recursive, force, ended bool
	var operands []word
	for _, a := range args {
		t := a.text
		switch {
		case ended || len(t) < 2 || t[0] != '-':
			operands = append(operands, a)
		case t == "--":
			ended = true
		case strings.HasPrefix(t, "--"):
			recursive = recursive || len(t) > 3 && strings.HasPrefix("--recursive", t)
			force = force || len(t) > 2 && strings.HasPrefix("--force", t)
		case !a.known:
			recursive, force = true, true
		default:
			recursive = recursive || strings.ContainsAny(t, "rR")
			force = force || strings.Contains(t, "f")
		}
	}
	if !recursive || !force {
		return "", false
	}
	for _, o := range operands {
		if isPrecious(o.text) {
			return o.text, true
		}
	}
	return "", true
}

var precious = []string{
	"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/root", "/sbin", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/var",
	"/Applications", "/Library", "/System", "/Users", "~", "$HOME", "${HOME}",
}

// isPrecious tells that a path is, or holds all of, such a folder.
func isPrecious(p string) bool {
	for _, all := range []string{"/*", "/.*", "/.[!.]*"} {
		if rest, ok := strings.CutSuffix(p, all); ok {
			p = rest + "/"
		}
	}
	if p == "" {
		return false
	}
	if strings.HasPrefix(p, "~") && !strings.Contains(p, "/") {
		return true
	}
	return slices.Contains(precious, path.Clean(p))
}

// isDevice tells that writing there changes more than a file.
func isDevice(p string) bool {
	name, ok := strings.CutPrefix(path.Clean(p), "/dev/")
	if !ok {
		return false
	}
	switch strings.SplitN(name, "/", 2)[0] {
	case "null", "zero", "full", "random", "urandom", "stdin", "stdout", "stderr", "tty", "fd", "shm", "pts":
		return false
	}
	return true
}

func writesDevice(s *scan, r *syntax.Redirect) bool {
	switch r.Op {
	case syntax.RdrOut, syntax.AppOut, syntax.RdrInOut, syntax.RdrClob, syntax.RdrAll, syntax.AppAll, syntax.DplOut:
		return r.Word != nil && isDevice(s.resolve(r.Word).text)
	}
	return false
}
