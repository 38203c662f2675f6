package workspace

import "os/exec"

// Group is a process that was started on its own, with those that it started and
// that stayed in its process group (its job on Windows).
type Group struct{ group *group }

// StartGroup starts a command as the first of its own group. It sets the
// command's SysProcAttr.
func StartGroup(cmd *exec.Cmd) (*Group, error) {
	g, err := startGroup(cmd)
	if err != nil {
		return nil, err
	}
	return &Group{g}, nil
}

// Terminate asks all that is left of the group to end. On Windows, where nothing
// can be asked, it kills.
func (g *Group) Terminate() { g.group.terminate() }

// Kill kills all that is left of the group.
func (g *Group) Kill() { g.group.kill() }

// Close frees what the group holds; it kills nothing.
func (g *Group) Close() { g.group.close() }
