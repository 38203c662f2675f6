package security

import (
	"errors"
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

const (
	// maxText is the most that is looked at of one text, in bytes. Of a longer
	// command it is said that it can't be judged.
	maxText = 30_000
	// maxScripts bounds scripts within scripts: sh -c "sh -c …".
	maxScripts = 8
	// maxNesting bounds commands within commands.
	maxNesting = 250
	// maxLooks bounds the scripts, variables, aliases and functions that are
	// looked into behind their names.
	maxLooks = 200
	// maxWrappers bounds programs that run programs: sudo env nice ….
	maxWrappers = 16
)

// script is what a command is made of.
type script struct {
	// parts are the simple commands in the order in which they begin to run: what
	// is in a substitution comes before the command that it is in.
	parts []*part
	// problem says why not all of it could be looked into; "" if it was.
	problem string
}

// part is one simple command as it stands in the text, with all that it runs.
type part struct {
	text     string
	runs     []run
	findings []finding
}

// run is one program that is started, without the programs that only start it.
type run struct {
	words []word
	sudo  bool
}

// scan walks one text.
type scan struct {
	text string
	// within counts the scripts that this one is in, nested the commands.
	within, nested int
	parts          []*part
	problem        string
	// fetched are the words whose substitutions download something, by what with.
	fetched map[*syntax.Word]string
	*memory
}

// memory is what the texts of one command have in common.
type memory struct {
	// vars are the values that variables were given, aliases the words behind
	// aliases, functions what the bodies of functions run.
	vars      map[string][]word
	aliases   map[string][]word
	functions map[string][]run
	// looks is how often something may still be looked into twice.
	looks int
}

// feed is what a command reads on its standard input.
type feed struct {
	// text is what comes in where known is set.
	text  string
	known bool
	// fetched names the program that downloads it; "" if none does.
	fetched string
}

// parse reads a text as bash does. The tree is nil with an error.
func parse(text string) (file *syntax.File, err error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("it is longer than %d bytes", maxText)
	}
	defer func() {
		if recover() != nil { // the parser has had inputs that it panicked on
			file, err = nil, errors.New("it can't be read as a shell command")
		}
	}()
	file, err = syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
	if err != nil {
		return nil, errors.New("it can't be read as a shell command")
	}
	return file, nil
}

// examine takes a command apart.
func examine(text string) *script {
	s := &scan{text: text, memory: &memory{map[string][]word{}, map[string][]word{}, map[string][]run{}, maxLooks}}
	s.file(feed{})
	return &script{s.parts, s.problem}
}

func (s *scan) file(in feed) {
	file, err := parse(s.text)
	if err != nil {
		s.problem = err.Error()
		return
	}
	s.stmts(file.Stmts, in)
}

func (s *scan) stmts(list []*syntax.Stmt, in feed) {
	for _, st := range list {
		s.stmt(st, in)
	}
}

func (s *scan) stmt(st *syntax.Stmt, in feed) {
	if s.nested++; s.nested > maxNesting {
		s.problem = "it is nested too deeply"
		s.nested--
		return
	}
	defer func() { s.nested-- }()
	in = s.redirects(st, in)
	switch cmd := st.Cmd.(type) {
	case *syntax.CallExpr:
		s.call(st, cmd, in)
	case *syntax.BinaryCmd:
		if cmd.Op == syntax.Pipe || cmd.Op == syntax.PipeAll {
			s.pipe(stages(st, nil), in)
			return
		}
		s.stmt(cmd.X, in)
		s.stmt(cmd.Y, in)
	case nil, *syntax.DeclClause, *syntax.TestClause, *syntax.ArithmCmd, *syntax.LetClause:
		if cmd != nil {
			s.inside(cmd, in)
		}
		p := s.part(st)
		if d, ok := cmd.(*syntax.DeclClause); ok {
			s.assign(p, d.Args)
		}
	case *syntax.FuncDecl:
		mark := len(s.parts)
		s.inside(cmd, in)
		if cmd.Name != nil {
			for _, p := range s.parts[mark:] {
				s.functions[cmd.Name.Value] = append(s.functions[cmd.Name.Value], p.runs...)
			}
		}
	default: // groups, loops, conditions
		s.inside(cmd, in)
	}
}

// inside looks into the commands below a node that is none itself.
func (s *scan) inside(node syntax.Node, in feed) {
	syntax.Walk(node, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Stmt:
			s.stmt(n, in)
			return false
		case *syntax.CmdSubst:
			s.stmts(n.Stmts, in)
			return false
		case *syntax.ProcSubst:
			s.stmts(n.Stmts, feed{})
			return false
		case *syntax.Word:
			if n != node {
				s.visit(n, in)
				return false
			}
		}
		return true
	})
}

// visit looks into the substitutions of a word, and notes what they download.
func (s *scan) visit(w *syntax.Word, in feed) {
	mark := len(s.parts)
	s.inside(w, in)
	if name := s.fetches(mark); name != "" {
		if s.fetched == nil {
			s.fetched = map[*syntax.Word]string{}
		}
		s.fetched[w] = name
	}
}

// part begins a simple command.
func (s *scan) part(st *syntax.Stmt) *part {
	p := &part{text: s.simple(st)}
	for _, r := range st.Redirs {
		if writesDevice(s, r) {
			p.add(rawDisk)
		}
	}
	s.parts = append(s.parts, p)
	return p
}

// simple is a simple command with its redirections, without here-documents.
func (s *scan) simple(st *syntax.Stmt) string {
	from, to := st.Position, st.Position
	if st.Cmd != nil {
		from, to = st.Cmd.Pos(), st.Cmd.End()
	} else if len(st.Redirs) > 0 {
		from = st.Redirs[0].Pos()
	}
	for _, r := range st.Redirs {
		if r.Pos().IsValid() && from.After(r.Pos()) {
			from = r.Pos()
		}
		if r.Word != nil && r.Word.End().After(to) {
			to = r.Word.End()
		}
	}
	return s.cut(from, to)
}

func (s *scan) source(n syntax.Node) string { return s.cut(n.Pos(), n.End()) }

// cut is the text between two places; where they are not in it, as in what
// braces expanded to, a sign that something stands there.
func (s *scan) cut(from, to syntax.Pos) string {
	a, b := from.Offset(), to.Offset()
	if !from.IsValid() || !to.IsValid() || a > b || b > uint(len(s.text)) {
		return "$_"
	}
	return s.text[a:b]
}

// redirects gives what the statement reads, and looks into the words.
func (s *scan) redirects(st *syntax.Stmt, in feed) feed {
	for _, r := range st.Redirs {
		mark := len(s.parts)
		if r.Word != nil {
			s.visit(r.Word, in)
		}
		if r.Hdoc != nil {
			s.visit(r.Hdoc, in)
		}
		if r.N != nil && r.N.Value != "0" {
			continue
		}
		switch r.Op {
		case syntax.Hdoc, syntax.DashHdoc:
			in = s.document(r)
		case syntax.WordHdoc:
			w := s.resolve(r.Word)
			in = feed{text: w.text, known: w.known}
		case syntax.RdrIn, syntax.RdrInOut, syntax.DplIn:
			in = feed{}
		default:
			continue
		}
		in.fetched = s.fetches(mark)
	}
	return in
}

// document is what a here-document says.
func (s *scan) document(r *syntax.Redirect) feed {
	in := feed{known: true}
	if r.Hdoc == nil {
		return in
	}
	quoted := false
	for _, p := range r.Word.Parts {
		lit, ok := p.(*syntax.Lit)
		quoted = quoted || !ok || strings.Contains(lit.Value, `\`)
	}
	var b strings.Builder
	for _, p := range r.Hdoc.Parts {
		switch lit, ok := p.(*syntax.Lit); {
		case !ok:
			b.WriteString(s.source(p))
			in.known = false
		case quoted:
			b.WriteString(lit.Value)
		default:
			b.WriteString(unquote(lit.Value))
		}
	}
	in.text = b.String()
	if r.Op == syntax.DashHdoc {
		lines := strings.Split(in.text, "\n")
		for i := range lines {
			lines[i] = strings.TrimLeft(lines[i], "\t")
		}
		in.text = strings.Join(lines, "\n")
	}
	return in
}

// stages are the commands of a pipe in order.
func stages(st *syntax.Stmt, list []*syntax.Stmt) []*syntax.Stmt {
	b, ok := st.Cmd.(*syntax.BinaryCmd)
	if !ok || b.Op != syntax.Pipe && b.Op != syntax.PipeAll {
		return append(list, st)
	}
	return stages(b.Y, stages(b.X, list))
}

func (s *scan) pipe(list []*syntax.Stmt, in feed) {
	for _, st := range list {
		mark := len(s.parts)
		s.stmt(st, in)
		fetched := in.fetched
		if name := s.fetches(mark); name != "" {
			fetched = name
		}
		in = s.output(st)
		in.fetched = fetched
	}
}

// output is what a command prints, where it can be told.
func (s *scan) output(st *syntax.Stmt) feed {
	call, ok := st.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 {
		return feed{}
	}
	words := s.words(call.Args)
	switch base(words[0].text) {
	case "echo", "printf":
		out := feed{known: true}
		var text []string
		for i, w := range words[1:] {
			if i == 0 && strings.HasPrefix(w.text, "-") {
				continue
			}
			text = append(text, w.text)
			out.known = out.known && (w.known || w.source != nil && isGlob(w.source))
		}
		out.text = strings.Join(text, " ")
		if strings.Contains(out.text, `\`) { // its escapes may become anything
			out.text = ansi(out.text)
		}
		if base(words[0].text) == "printf" && strings.Contains(out.text, "%") {
			out.known = len(text) > 1 && (text[0] == "%s" || text[0] == `%s\n`) && out.known
			out.text = strings.Join(text[min(1, len(text)):], " ")
		}
		return out
	case "cat":
		if len(words) == 1 || len(words) == 2 && words[1].text == "-" {
			for _, r := range st.Redirs {
				switch r.Op {
				case syntax.Hdoc, syntax.DashHdoc:
					return s.document(r)
				case syntax.WordHdoc:
					w := s.resolve(r.Word)
					return feed{text: w.text, known: w.known}
				}
			}
		}
	}
	return feed{}
}

// isGlob tells that a word is not known only because it may be names of files.
func isGlob(w *syntax.Word) bool {
	for _, p := range w.Parts {
		switch p.(type) {
		case *syntax.Lit, *syntax.SglQuoted:
		default:
			return false
		}
	}
	return true
}

// call is a simple command.
func (s *scan) call(st *syntax.Stmt, cmd *syntax.CallExpr, in feed) {
	for _, a := range cmd.Assigns {
		s.inside(a, in)
	}
	for _, w := range cmd.Args {
		s.visit(w, in)
	}
	p := s.part(st)
	s.assign(p, cmd.Assigns)
	s.carry(p, s.words(cmd.Args), in, false)
}

// assign notes the values of variables.
func (s *scan) assign(p *part, list []*syntax.Assign) {
	for _, a := range list {
		if a.Name == nil || a.Value == nil {
			continue
		}
		value := s.resolve(a.Value)
		name := a.Name.Value
		if value.known {
			s.vars[name] = append(s.vars[name], value)
		}
		if name == "PROMPT_COMMAND" {
			s.script(p, value, feed{})
		}
	}
}

// script looks into a text that is run as commands.
func (s *scan) script(p *part, text word, in feed) {
	if text.source != nil {
		if name := s.fetched[text.source]; name != "" {
			p.fetched(name)
		}
	}
	if !text.known && in.fetched != "" {
		p.fetched(in.fetched)
	}
	if !text.known {
		p.unknown("runs commands that are made while it runs")
	}
	if s.within == maxScripts || !s.look() {
		p.unknown("runs scripts within scripts, too many to look into")
		return
	}
	inner := &scan{text: text.text, within: s.within + 1, memory: s.memory}
	inner.file(in)
	if inner.problem != "" {
		p.unknown("runs a script that can't be looked into: " + inner.problem)
	}
	for _, q := range inner.parts {
		p.runs = append(p.runs, q.runs...)
		for _, f := range q.findings {
			if f.within == "" {
				f.within = q.text
			}
			p.add(f)
		}
	}
}

// look tells whether one more thing may be looked into.
func (m *memory) look() bool {
	m.looks--
	return m.looks >= 0
}

// stdin is for a shell that reads its commands.
func (s *scan) stdin(p *part, in feed) {
	switch {
	case in.fetched != "":
		p.fetched(in.fetched)
	case in.text != "" || in.known:
		s.script(p, word{text: in.text, known: in.known}, feed{})
	default:
		p.unknown("is a shell that reads commands which are not known")
	}
}

// fetches names the program that downloads something among the parts since mark.
func (s *scan) fetches(mark int) string {
	for _, p := range s.parts[mark:] {
		for _, r := range p.runs {
			if name := base(r.words[0].text); fetchers[name] {
				return name
			}
		}
	}
	return ""
}
