// Package workspace is OpenHands' LocalWorkspace: a folder, the rules for paths
// in it, commands that run in it, files that go in and out, and what git says of
// it.
//
// It knows nothing of conversations, tools or editors, and decides nothing: it
// tells that a path lies outside, others ask or refuse. It never writes to the
// user's git and never uses the network.
//
// It starts goroutines only while a command runs and waits for them; the
// processes of a command end with it.
package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Local is a folder on this machine. Safe for use by several goroutines.
type Local struct {
	root string
	// real is root without symbolic links.
	real string
}

// Open makes a workspace of a folder, which it creates with its parents if
// create is set. A relative root is one below the process's directory.
func Open(root string, create bool) (*Local, error) {
	w, err := open(root, create)
	if err != nil {
		return nil, fmt.Errorf("opening workspace %s: %w", root, err)
	}
	return w, nil
}

func open(root string, create bool) (*Local, error) {
	if root == "" {
		return nil, errors.New("the path is empty")
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if create {
		if err := os.MkdirAll(abs, 0o777); err != nil {
			return nil, err
		}
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &os.PathError{Op: "open", Path: abs, Err: syscall.ENOTDIR}
	}
	real, err := realPath(abs)
	if err != nil {
		return nil, err
	}
	return &Local{root: abs, real: real}, nil
}

// Root is the absolute path of the folder, cleaned, as it was given: symbolic
// links are kept.
func (w *Local) Root() string { return w.root }

// URI is the folder's file: URI.
func (w *Local) URI() string { return ToURI(w.root) }

const kind = "LocalWorkspace"

type encoded struct {
	WorkingDir string `json:"working_dir"`
	Kind       string `json:"kind"`
}

// MarshalJSON gives OpenHands' {"working_dir": …, "kind": "LocalWorkspace"}.
func (w *Local) MarshalJSON() ([]byte, error) {
	return json.Marshal(encoded{WorkingDir: w.root, Kind: kind})
}

// ParseJSON gives the folder that a stored workspace names; it does not open it.
// The kind may be absent; another kind than LocalWorkspace is an error.
func ParseJSON(raw []byte) (root string, err error) {
	var e encoded
	if err := json.Unmarshal(raw, &e); err != nil {
		return "", fmt.Errorf("reading workspace: %w", err)
	}
	if e.Kind != "" && e.Kind != kind {
		return "", fmt.Errorf("reading workspace: kind is %q, want %q", e.Kind, kind)
	}
	if e.WorkingDir == "" {
		return "", errors.New("reading workspace: working_dir is missing")
	}
	return e.WorkingDir, nil
}
