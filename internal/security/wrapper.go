package security

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// wrapper is a program that runs what its arguments say.
type wrapper struct {
	// takes are the one-letter options that have a value, long the others.
	takes string
	long  []string
	// operands is how many arguments come before the command.
	operands int
	// assigns tells that NAME=VALUE may come before the command.
	assigns bool
}

var wrappers = map[string]wrapper{
	"builtin":     {},
	"busybox":     {},
	"caffeinate":  {takes: "tw"},
	"chpst":       {takes: "uUbenmdopfcrtl/"},
	"chroot":      {operands: 1},
	"chrt":        {takes: "TPD", operands: 1},
	"command":     {},
	"doas":        {takes: "uC", assigns: true},
	"env":         {takes: "uCS", long: []string{"unset", "chdir", "split-string"}, assigns: true},
	"exec":        {takes: "a"},
	"fakeroot":    {takes: "lsbi"},
	"firejail":    {},
	"flock":       {takes: "wE", long: []string{"wait", "timeout", "conflict-exit-code"}, operands: 1},
	"ionice":      {takes: "cnpPu", long: []string{"class", "classdata"}},
	"ltrace":      {takes: "aeElnopsSu"},
	"nice":        {takes: "n", long: []string{"adjustment"}},
	"nohup":       {},
	"nsenter":     {takes: "tSG", long: []string{"target", "setuid", "setgid"}},
	"pkexec":      {long: []string{"user"}},
	"prlimit":     {takes: "p"},
	"proxychains": {takes: "f"},
	"rlwrap":      {takes: "bcdfgHlmMopPqsStwWz"},
	"run0":        {takes: "uDg", long: []string{"user", "group", "chdir", "setenv", "property"}},
	"runuser":     {takes: "ugG", long: []string{"user", "group"}},
	"setarch":     {operands: 1},
	"setpriv":     {long: []string{"reuid", "regid", "groups", "inh-caps", "bounding-set"}},
	"setsid":      {},
	"stdbuf":      {takes: "ioe", long: []string{"input", "output", "error"}},
	"strace":      {takes: "abeEIkoOpPsSuUX"},
	"sudo": {takes: "ughpCTrtDRUa", assigns: true, long: []string{
		"user", "group", "host", "prompt", "close-from", "command-timeout", "role", "type", "chdir", "chroot", "other-user",
	}},
	"systemd-run": {takes: "pEuMHG", long: []string{"property", "setenv", "unit", "machine", "host", "uid", "gid", "nice", "working-directory", "slice"}},
	"taskset":     {operands: 1},
	"time":        {takes: "fo", long: []string{"format", "output"}},
	"timeout":     {takes: "ks", long: []string{"kill-after", "signal"}, operands: 1},
	"toybox":      {},
	"unbuffer":    {},
	"unshare":     {takes: "SGRw", long: []string{"setuid", "setgid", "root", "wd", "map-user", "map-group"}},
	"xargs": {takes: "aEdILnPs", long: []string{
		"arg-file", "delimiter", "eof", "max-args", "max-procs", "max-chars", "max-lines", "process-slot-var",
	}},
	"xvfb-run": {takes: "aefnpsw"},
}

// privileged are the programs that give what they run more rights.
var privileged = map[string]bool{"sudo": true, "doas": true, "pkexec": true, "run0": true, "su": true}

var shells = map[string]bool{
	"sh": true, "bash": true, "dash": true, "zsh": true, "ksh": true, "mksh": true, "ash": true, "rbash": true, "fish": true, "csh": true, "tcsh": true,
}

// interpreters run a program that they read on their standard input where no
// argument names one.
var interpreters = map[string]bool{
	"python": true, "perl": true, "ruby": true, "node": true, "nodejs": true, "php": true, "lua": true, "deno": true, "bun": true, "pwsh": true, "osascript": true, "tclsh": true, "Rscript": true,
}

var fetchers = map[string]bool{
	"curl": true, "wget": true, "wget2": true, "aria2c": true, "fetch": true, "http": true, "https": true, "xh": true, "lynx": true, "lwp-request": true,
}

// carry follows a command to what it really runs.
func (s *scan) carry(p *part, words []word, in feed, sudo bool) {
	for hops := 0; len(words) > 0; hops++ {
		if hops == maxWrappers {
			p.unknown("starts programs through too many others to look into")
			return
		}
		first := words[0]
		if !first.known {
			s.dynamic(p, words, in, sudo)
			if first.text = base(first.text); strings.ContainsAny(first.text, "$`(){}*?[") {
				return
			}
		}
		name := base(first.text)
		sudo = sudo || privileged[name]
		s.behind(p, name, words[1:], in, sudo)
		rest, more := s.unwrap(p, name, words, &in)
		if !more {
			p.runs = append(p.runs, run{words, sudo})
			p.judge(run{words, sudo})
			return
		}
		// Where an option was misread the command began earlier.
		for i := 1; i < len(words)-len(rest); i++ {
			switch skipped := base(words[i].text); {
			case skipped == "rm", skipped == "dd", shells[skipped], strings.HasPrefix(skipped, "mkfs"):
				if s.look() {
					s.carry(p, words[i:], in, sudo)
				}
			}
		}
		words = rest
	}
}

// behind looks into what a name means that the command itself defined.
func (s *scan) behind(p *part, name string, args []word, in feed, sudo bool) {
	if alias := s.aliases[name]; len(alias) > 0 && s.look() {
		s.carry(p, append(slices.Clip(alias), args...), in, sudo)
	}
	for _, r := range s.functions[name] {
		words := withArguments(r.words, args)
		if words != nil && s.look() {
			s.carry(p, words, in, sudo || r.sudo)
		}
	}
}

// withArguments puts the arguments of a function in the place of its
// parameters; nil if it has none.
func withArguments(words, args []word) (out []word) {
	found := false
	for _, w := range words {
		name, _ := strings.CutPrefix(strings.Trim(w.text, "{}"), "$")
		name = strings.Trim(name, "{}")
		n := -1
		if len(name) == 1 {
			n = strings.IndexByte("0123456789", name[0])
		}
		switch {
		case w.known || !strings.HasPrefix(w.text, "$"):
			out = append(out, w)
		case name == "@" || name == "*":
			out = append(out, args...)
			found = true
		case n > 0 && n <= len(args):
			out = append(out, args[n-1])
			found = true
		default:
			out = append(out, w)
		}
	}
	if !found {
		return nil
	}
	return out
}

// dynamic is for a command whose name is only known when it runs. What its
// variable was given before is judged as well.
func (s *scan) dynamic(p *part, words []word, in feed, sudo bool) {
	p.unknown("which program this runs is only known when it runs")
	w := words[0].source
	if w == nil || len(w.Parts) != 1 {
		return
	}
	part := w.Parts[0]
	if q, ok := part.(*syntax.DblQuoted); ok && len(q.Parts) == 1 {
		part = q.Parts[0]
	}
	v, ok := part.(*syntax.ParamExp)
	if !ok || v.Param == nil {
		return
	}
	values := s.vars[v.Param.Value]
	if v.Exp != nil && v.Exp.Word != nil {
		values = append(slices.Clip(values), s.resolve(v.Exp.Word))
	}
	for _, value := range values {
		var named []word
		for _, f := range strings.Fields(value.text) {
			named = append(named, word{text: f, known: true})
		}
		if len(named) > 0 && s.look() {
			s.carry(p, append(named, words[1:]...), in, sudo)
		}
	}
}

// unwrap takes one program off that only runs another, and gives the other's
// words. more is false where there is none, or it was looked into here.
func (s *scan) unwrap(p *part, name string, words []word, in *feed) (rest []word, more bool) {
	args := words[1:]
	switch {
	case shells[name]:
		s.shell(p, args, *in)
		return nil, false
	case interpreters[strings.TrimRight(name, "0123456789.")]:
		s.interpreter(p, args, *in)
		return nil, false
	}
	switch name {
	case "eval":
		for _, a := range args {
			if name := s.fetched[a.source]; name != "" {
				p.fetched(name)
			}
		}
		s.script(p, join(args), *in)
		return nil, false
	case ".", "source":
		if len(args) > 0 {
			s.sourced(p, args[0], *in)
		}
		return nil, false
	case "trap":
		if args = options(args, "", nil); len(args) > 1 {
			s.script(p, args[0], *in)
		}
		return nil, false
	case "alias":
		for _, a := range args {
			name, value, ok := strings.Cut(a.text, "=")
			if !ok {
				continue
			}
			s.script(p, word{value, a.known, a.source}, *in)
			s.aliases[name] = nil
			for _, f := range strings.Fields(value) {
				s.aliases[name] = append(s.aliases[name], word{text: f, known: true})
			}
		}
		return nil, false
	case "find", "gfind", "bfs":
		s.find(p, args, *in)
		return nil, false
	case "su", "script", "watch", "ssh", "parallel", "flock", "runuser":
		if s.scripted(p, name, args, *in) {
			return nil, false
		}
	}
	w, ok := wrappers[name]
	if !ok {
		return nil, false
	}
	switch name {
	case "command":
		if len(args) > 0 && (args[0].text == "-v" || args[0].text == "-V") {
			return nil, false
		}
	case "env":
		if text, ok := valueOf(args, "S", "split-string", w.takes); ok {
			s.script(p, text, *in)
			return nil, false
		}
	case "sudo", "doas", "run0":
		rest = s.command(w, args)
		if len(rest) == 0 && slices.ContainsFunc(args, func(a word) bool {
			return a.text == "-s" || a.text == "-i" || a.text == "--login" || a.text == "--shell"
		}) {
			s.stdin(p, *in)
		}
		return rest, len(rest) > 0
	case "xargs":
		rest = s.command(w, args)
		if mark, ok := valueOf(args, "I", "replace", w.takes); ok {
			rest = marked(rest, mark.text)
		} else if slices.ContainsFunc(args, func(a word) bool { return a.text == "-i" || a.text == "--replace" }) {
			rest = marked(rest, "{}")
		}
		*in = feed{fetched: in.fetched}
		return rest, len(rest) > 0
	}
	rest = s.command(w, args)
	return rest, len(rest) > 0
}

// command gives the words after a wrapper's own.
func (s *scan) command(w wrapper, args []word) []word {
	args = options(args, w.takes, w.long)
	args = args[min(w.operands, len(args)):]
	for w.assigns && len(args) > 0 {
		name, _, ok := strings.Cut(args[0].text, "=")
		if !ok || !syntax.ValidName(name) {
			break
		}
		args = args[1:]
	}
	return args
}

// options skips options and their values.
func options(args []word, takes string, long []string) []word {
	for len(args) > 0 {
		t := args[0].text
		if t == "--" {
			return args[1:]
		}
		if len(t) < 2 || t[0] != '-' {
			return args
		}
		skip := 1
		if name, ok := strings.CutPrefix(t, "--"); ok {
			if slices.Contains(long, name) {
				skip = 2
			}
		} else if i := strings.IndexAny(t[1:], takes); takes != "" && i >= 0 && i == len(t)-2 {
			skip = 2
		}
		args = args[min(skip, len(args)):]
	}
	return args
}

// valueOf finds the value of an option among those before the command.
func valueOf(args []word, short, long, takes string) (word, bool) {
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a.text == "--" || len(a.text) < 2 || a.text[0] != '-' {
			return word{}, false
		}
		if name, ok := strings.CutPrefix(a.text, "--"); ok {
			if value, ok := strings.CutPrefix(name, long+"="); ok {
				return word{value, a.known, a.source}, true
			}
			if name == long && i+1 < len(args) {
				return args[i+1], true
			}
			continue
		}
		at := strings.IndexAny(a.text[1:], takes)
		if at < 0 {
			continue
		}
		value := a.text[at+2:]
		if a.text[at+1:at+2] == short {
			if value != "" {
				return word{value, a.known, a.source}, true
			}
			if i+1 < len(args) {
				return args[i+1], true
			}
		}
		if value == "" {
			i++
		}
	}
	return word{}, false
}

// marked are words in which mark is replaced by what is read later.
func marked(words []word, mark string) []word {
	words = slices.Clone(words)
	for i := range words {
		if mark != "" && strings.Contains(words[i].text, mark) {
			words[i].known = false
		}
	}
	return words
}

// join is what eval makes of its arguments.
func join(words []word) word {
	out := word{known: true}
	var texts []string
	for _, w := range words {
		texts = append(texts, w.text)
		out.known = out.known && (w.known || w.source != nil && isGlob(w.source))
		if out.source == nil || !w.known {
			out.source = w.source
		}
	}
	out.text = strings.Join(texts, " ")
	return out
}

// shell is for sh and its like.
func (s *scan) shell(p *part, args []word, in feed) {
	script, reads := false, false
	for len(args) > 0 {
		t := args[0].text
		if len(t) < 2 || t[0] != '-' && t[0] != '+' {
			break
		}
		args = args[1:]
		if t == "--" {
			break
		}
		if strings.HasPrefix(t, "--") {
			if t == "--rcfile" || t == "--init-file" {
				args = args[min(1, len(args)):]
			}
			continue
		}
		script = script || t[0] == '-' && strings.Contains(t, "c")
		reads = reads || strings.Contains(t, "s")
		if last := t[len(t)-1]; last == 'o' || last == 'O' {
			args = args[min(1, len(args)):]
		}
	}
	switch {
	case script && len(args) > 0:
		s.script(p, args[0], in)
	case script && in.fetched != "":
		p.fetched(in.fetched)
	case script:
		p.unknown("is a shell that is given commands which are not known")
	case reads || len(args) == 0 || args[0].text == "-" || args[0].text == "/dev/stdin":
		s.stdin(p, in)
	default:
		s.substituted(p, args[0])
	}
}

// sourced is for a file that the shell reads.
func (s *scan) sourced(p *part, file word, in feed) {
	if file.text == "/dev/stdin" {
		s.stdin(p, in)
		return
	}
	s.substituted(p, file)
}

// substituted is for a file that is run and may be the output of a command.
func (s *scan) substituted(p *part, file word) {
	if file.source == nil {
		return
	}
	if name := s.fetched[file.source]; name != "" {
		p.fetched(name)
		return
	}
	for _, part := range file.source.Parts {
		if sub, ok := part.(*syntax.ProcSubst); ok {
			out := feed{}
			if len(sub.Stmts) == 1 {
				out = s.output(sub.Stmts[0])
			}
			s.stdin(p, out)
		}
	}
}

// interpreter is for programs that run other languages.
func (s *scan) interpreter(p *part, args []word, in feed) {
	for i, a := range args {
		t := a.text
		if len(t) > 1 && t[0] == '-' {
			if strings.ContainsAny(t[1:], "cer") && !strings.HasPrefix(t, "--") || t == "--eval" || t == "--print" {
				if i+1 < len(args) {
					s.substituted(p, args[i+1])
				}
				return
			}
			if strings.Contains(t, "m") && !strings.HasPrefix(t, "--") {
				return
			}
			continue
		}
		if t != "-" && t != "/dev/stdin" {
			s.substituted(p, a)
			return
		}
		break
	}
	if in.fetched != "" {
		p.fetched(in.fetched)
	}
}

// find is for the commands that find runs.
func (s *scan) find(p *part, args []word, in feed) {
	for i, a := range args {
		switch a.text {
		case "-exec", "-execdir", "-ok", "-okdir":
			end := i + 1
			for end < len(args) && args[end].text != ";" && args[end].text != "+" {
				end++
			}
			s.carry(p, marked(args[i+1:end], "{}"), in, false)
		case "-delete":
			p.add(findDelete)
		}
	}
}

// scripted is for programs that give their arguments to a shell. done is false
// where they run them themselves, as wrappers.
func (s *scan) scripted(p *part, name string, args []word, in feed) (done bool) {
	for i, a := range args {
		if name != "ssh" && name != "watch" && name != "parallel" {
			if (a.text == "-c" || a.text == "--command") && i+1 < len(args) {
				s.script(p, args[i+1], in)
				return true
			}
			if text, ok := strings.CutPrefix(a.text, "--command="); ok {
				s.script(p, word{text, a.known, a.source}, in)
				return true
			}
		}
	}
	switch name {
	case "watch":
		if args = options(args, "n", []string{"interval"}); len(args) > 0 {
			s.script(p, join(args), in)
		}
	case "ssh":
		args = options(args, "BbcDEeFIiJLlmOopQRSWw", nil)
		if len(args) > 1 {
			s.script(p, join(args[1:]), in)
		} else if in.fetched != "" || in.text != "" {
			s.stdin(p, in)
		}
	case "parallel":
		args = options(args, "jaISnNLPd", []string{"jobs", "arg-file", "delay", "timeout", "joblog", "results", "colsep"})
		if end := slices.IndexFunc(args, func(a word) bool { return strings.HasPrefix(a.text, ":::") }); end >= 0 {
			args = args[:end]
		}
		if len(args) == 0 {
			s.stdin(p, in)
			return true
		}
		s.script(p, join(marked(args, "{}")), in)
	case "su":
		s.stdin(p, in)
	case "flock", "runuser":
		return false
	}
	return true
}

// base is the name of a program without its folder.
func base(name string) string {
	return name[strings.LastIndexByte(name, '/')+1:]
}
