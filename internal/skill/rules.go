package skill

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Rules gives the path rules for a file that was touched, but for those that
// were shown before: skills with paths, and the instruction files in the folders
// between the workspace and the file. path is absolute, or relative to the
// workspace; a file outside has no rules.
//
// Instruction files are looked for when a file below them is touched and not
// before: nothing is walked through, however large the project is.
func (k *Known) Rules(file, workspace, model string, shown []string) []Skill {
	rel, ok := relative(workspace, file)
	if !ok {
		return nil
	}
	rules := k.choose(func(s *Skill) bool {
		return s.Rule() && !slices.Contains(shown, s.Name) && s.Trigger.matches(rel)
	})
	if k.root == "" {
		return rules
	}
	k.nested(path.Dir(rel), func(s Skill) {
		if s.suits(model) && !slices.Contains(shown, s.Name) && !slices.Contains(k.Disabled, s.Name) {
			rules = append(rules, s)
		}
	})
	return rules
}

// maxFolders bounds how deep a file may lie to be looked at.
const maxFolders = 32

// nested reads the instruction files of the folders from the workspace down to
// dir, but for the workspace's own.
func (k *Known) nested(dir string, found func(Skill)) {
	names := strings.Split(dir, "/")
	if dir == "." || len(names) > maxFolders || slices.ContainsFunc(names, func(n string) bool {
		return strings.HasPrefix(n, ".") || n == "node_modules"
	}) {
		return
	}
	root, err := os.OpenRoot(k.root)
	if err != nil {
		return
	}
	defer func() { _ = root.Close() }() // it was only read
	quiet := &Known{}                   // a file that can't be read is no rule; it is not warned of at every touch
	p := &place{Known: quiet, fsys: root.FS(), root: k.root, workspace: k.root, sub: "."}
	var seen []fs.FileInfo
	for i := range names {
		folder := strings.Join(names[:i+1], "/")
		for _, s := range p.instructions(folder, &seen) {
			s.Name += ":" + folder
			s.Trigger = &Trigger{Type: "path", Paths: []string{folder + "/**"}}
			found(s)
		}
	}
}

// relative gives the path below the workspace, with slashes, symbolic links
// followed; not ok if it lies outside.
func relative(workspace, file string) (string, bool) {
	if file == "" {
		return "", false
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(workspace, file)
	}
	root, err := filepath.EvalSymlinks(workspace)
	if err != nil {
		return "", false
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil { // it does not exist any more
		dir, err := filepath.EvalSymlinks(filepath.Dir(file))
		if err != nil {
			return "", false
		}
		real = filepath.Join(dir, filepath.Base(file))
	}
	rel, err := filepath.Rel(root, real)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", false
	}
	return filepath.ToSlash(rel), true
}
