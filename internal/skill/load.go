package skill

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// skillDirs are the folders of skills, below a project and a home, the strongest
// first.
var skillDirs = []string{".agents/skills", ".openhands/skills", ".openhands/microagents"}

const memoryFile = ".openhands/memory/MEMORY.md"

// What a place may hold. A project is somebody else's: it can't make a prompt
// grow without end, or a walk take long.
const (
	maxFile    = 256 << 10 // bytes
	maxSkills  = 200       // per folder of skills
	maxEntries = 2000      // files and folders looked at per folder of skills
	maxNesting = 6
	maxMemory  = 6000 // characters, of both together
)

// place is a part of the file system. Of a project only what lies inside it is
// read, whatever symbolic links say.
type place struct {
	*Known
	fsys fs.FS
	root string // where fsys begins, absolute
	// workspace is absolute and below root, and sub the way there; "." if it is
	// root.
	workspace, sub string
}

// read opens the project: the repository that the workspace lies in, or the
// workspace itself.
func (k *Known) read(workspace string, use func(*place)) {
	real, err := filepath.EvalSymlinks(workspace)
	if err != nil {
		k.warn("%s can't be read: %v", workspace, cause(err))
		return
	}
	top := gitRoot(real)
	root, err := os.OpenRoot(top)
	if err != nil {
		k.warn("%s can't be read: %v", top, cause(err))
		return
	}
	defer func() { _ = root.Close() }() // it was only read
	sub, err := filepath.Rel(top, real)
	if err != nil {
		return // it is above it, by construction
	}
	use(&place{Known: k, fsys: root.FS(), root: top, workspace: real, sub: filepath.ToSlash(sub)})
}

// gitRoot is the top of the work tree that dir lies in, or dir.
func gitRoot(dir string) string {
	for up := dir; ; up = filepath.Dir(up) {
		if _, err := os.Lstat(filepath.Join(up, ".git")); err == nil {
			return up
		}
		if up == filepath.Dir(up) {
			return dir
		}
	}
}

func userPlace(home string, k *Known) *place {
	return &place{Known: k, fsys: os.DirFS(home), root: home, workspace: home, sub: "."}
}

// join is a path below the workspace.
func (p *place) join(rel string) string { return path.Join(p.sub, rel) }

func (p *place) abs(name string) string { return filepath.Join(p.root, filepath.FromSlash(name)) }

// bases are the folders that a project's files are looked for in: the workspace,
// then the top of its repository.
func (p *place) bases() []string {
	if p.sub == "." {
		return []string{"."}
	}
	return []string{p.sub, "."}
}

func (p *place) projectSkills() []Skill {
	var all []Skill
	var files []fs.FileInfo
	for _, base := range p.bases() {
		all = append(all, p.instructions(base, &files)...)
	}
	var dirs []string
	for _, base := range p.bases() {
		for _, dir := range skillDirs {
			dirs = append(dirs, path.Join(base, dir))
		}
	}
	return append(all, p.skills(OfProject, dirs)...)
}

// instructionFiles are the files that other agents are told by, in lower case,
// and the names of their skills.
var instructionFiles = []struct{ file, skill string }{
	{"agents.md", "agents"}, {"agent.md", "agents"}, {"claude.md", "claude"}, {"gemini.md", "gemini"}, {".cursorrules", "cursorrules"},
}

// instructions reads the instruction files in a folder. One that is the same
// file as one of seen, through a link, is left out.
func (p *place) instructions(dir string, seen *[]fs.FileInfo) []Skill {
	entries, err := fs.ReadDir(p.fsys, dir)
	if err != nil {
		return nil
	}
	var all []Skill
	for _, known := range instructionFiles {
		for _, e := range entries {
			if !strings.EqualFold(e.Name(), known.file) {
				continue
			}
			name := path.Join(dir, e.Name())
			info, text, err := p.readFile(name)
			if err == nil && slices.ContainsFunc(*seen, func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
				continue
			}
			if err != nil {
				p.skip(name, err)
				continue
			}
			*seen = append(*seen, info)
			if strings.TrimSpace(text) != "" {
				all = append(all, Skill{Name: known.skill, Content: strings.TrimSpace(text), Source: p.abs(name), Origin: OfProject})
			}
		}
	}
	return all
}

func (p *place) skip(name string, err error) { p.warn("%s is left out: %v", p.abs(name), err) }

// readFile reads a text of a bounded size.
func (p *place) readFile(name string) (fs.FileInfo, string, error) {
	info, err := fs.Stat(p.fsys, name)
	if err != nil {
		return nil, "", cause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, "", errors.New("it is not a file")
	}
	if info.Size() > maxFile {
		return nil, "", fmt.Errorf("it is larger than %d KiB", maxFile>>10)
	}
	data, err := fs.ReadFile(p.fsys, name)
	if err != nil {
		return nil, "", cause(err)
	}
	if !utf8.Valid(data) {
		return nil, "", errors.New("it is not UTF-8")
	}
	return info, string(data), nil
}

// text reads a file that may be absent.
func (p *place) text(name string) string {
	_, text, err := p.readFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.skip(name, err)
	}
	return strings.TrimSpace(text)
}

// skills reads folders of skills. Of several skills of one name the first counts.
func (p *place) skills(origin Origin, dirs []string) []Skill {
	var all []Skill
	for _, dir := range dirs {
		w := &walk{place: p, origin: origin, top: dir}
		w.folder(dir, 0)
		all = append(all, w.found...)
	}
	return all
}

// walk looks through one folder of skills.
type walk struct {
	*place
	origin  Origin
	top     string
	found   []Skill
	entries int
	full    bool
}

func (w *walk) folder(dir string, depth int) {
	entries, err := fs.ReadDir(w.fsys, dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			w.skip(dir, cause(err))
		}
		return
	}
	for _, e := range entries {
		if depth > 0 && strings.EqualFold(e.Name(), "skill.md") {
			w.file(path.Join(dir, e.Name()), path.Base(dir), true)
			return // what lies beside it belongs to it
		}
	}
	for _, e := range entries {
		if w.entries++; w.entries > maxEntries || len(w.found) >= maxSkills {
			if !w.full {
				w.warn("%s holds more skills or files than are looked at; the rest is left out", w.abs(w.top))
			}
			w.full = true
			return
		}
		name := path.Join(dir, e.Name())
		switch {
		case w.isDir(name, e):
			if depth < maxNesting && !strings.HasPrefix(e.Name(), ".") && e.Name() != "node_modules" {
				w.folder(name, depth+1)
			}
		case strings.EqualFold(path.Ext(e.Name()), ".md") && !strings.EqualFold(e.Name(), "readme.md") && !strings.EqualFold(e.Name(), "skill.md"):
			w.file(name, legacyName(strings.TrimPrefix(name, w.top+"/")), false)
		}
	}
}

// isDir follows a link, as far as the place allows.
func (w *walk) isDir(name string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	info, err := fs.Stat(w.fsys, name)
	return err == nil && info.IsDir()
}

func (w *walk) file(name, called string, agentSkill bool) {
	_, text, err := w.readFile(name)
	var s Skill
	if err == nil {
		s, err = parseFile(text, called, agentSkill)
	}
	if err != nil {
		w.skip(name, err)
		return
	}
	s.Source, s.Origin = w.abs(name), w.origin
	w.found = append(w.found, s)
}

// cause is an error of the file system without the path.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) && !errors.Is(err, fs.ErrNotExist) {
		return pe.Err
	}
	return err
}

// share cuts two notes to a number of characters together. Each may have half;
// what one leaves, the other gets. Whole lines go, the oldest first, which are at
// the top.
func share(a, b string, limit int) (string, string) {
	na, nb := utf8.RuneCountInString(a), utf8.RuneCountInString(b)
	if na+nb <= limit {
		return a, b
	}
	half := limit / 2
	switch {
	case na <= half:
		return a, lastLines(b, limit-na)
	case nb <= half:
		return lastLines(a, limit-nb), b
	}
	return lastLines(a, half), lastLines(b, half)
}

func lastLines(text string, limit int) string {
	for utf8.RuneCountInString(text) > limit {
		_, rest, more := strings.Cut(text, "\n")
		if !more {
			return "" // one line alone is longer
		}
		text = rest
	}
	return text
}
