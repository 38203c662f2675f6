// Package workspace is OpenHands' LocalWorkspace: a folder, the rules for paths
// in it, commands that run in it, and what git says of it.
//
// It knows nothing of conversations, tools or editors. It starts goroutines
// only while a command runs.
package workspace

// Local is a folder on this machine. Safe for use by several goroutines.
type Local struct {
	root string
}

// Root is the absolute path of the folder.
func (w *Local) Root() string { return w.root }
