package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/client"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/google/uuid"
)

// startTime is how long the server may take until it has answered initialize.
const startTime = 20 * time.Second

// connect starts this program as a server, as an editor would, with folder as
// the workspace. The environment is extended by env.
func connect(ctx context.Context, folder string, env ...string) (*client.Client, error) {
	return connectAs(ctx, folder, nil, env...)
}

// connectAs is connect for a client that can put the questions of tools to the
// user, if input is not nil.
func connectAs(ctx context.Context, folder string, input *protocol.Flag, env ...string) (*client.Client, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, &problem{"this program can't find itself: " + err.Error(), "start it by its full path", exitError}
	}
	c, err := client.Start(client.Command{Path: self, Args: []string{"serve"}, Env: append(os.Environ(), env...)})
	if err != nil {
		return nil, &problem{err.Error(), "agent-rpc doctor", exitError}
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	err = c.Initialize(ctx, client.Hello{
		Name: "agent-rpc run", Version: versionOf().Version, Folder: folder,
		// What is shown and exported is whole.
		Options: protocol.ClientOptions{
			Deltas: &protocol.DeltaOptions{MaxHz: 10}, Confirmation: &protocol.Flag{}, Input: input, MaxEventBytes: math.MaxInt32,
		},
	})
	if errors.Is(err, context.Canceled) {
		_ = c.Abort() // nobody waits for it any more
		return nil, exitCode(exitInterrupted)
	}
	if err != nil {
		_ = c.Abort() // it never got going
		return nil, &problem{err.Error(), "agent-rpc doctor", exitError}
	}
	return c, nil
}

// resolve finds the conversation whose id begins with what was typed.
func resolve(ctx context.Context, c *client.Client, prefix string) (id string, err error) {
	want := strings.ToLower(strings.ReplaceAll(prefix, "-", ""))
	ids, err := storedIDs(ctx, c)
	if err != nil {
		return "", refusal(err)
	}
	var found []string
	for _, id := range ids {
		if strings.HasPrefix(strings.ReplaceAll(id, "-", ""), want) {
			found = append(found, id)
		}
	}
	switch {
	case want == "" || len(found) == 0:
		return "", &problem{fmt.Sprintf("no conversation begins with %q", prefix), "agent-rpc conversations list", exitUsage}
	case len(found) > 1:
		for i, id := range found {
			found[i] = short(id, ids)
		}
		if len(found) > 5 {
			found = append(found[:5], "…")
		}
		return "", &problem{fmt.Sprintf("%d conversations begin with %q", len(found), prefix), "say which: " + strings.Join(found, ", "), exitUsage}
	}
	return found[0], nil
}

// storedIDs lists the ids of all stored conversations: the names of their
// folders, or what the server lists where that can't be read.
func storedIDs(ctx context.Context, c *client.Client) ([]string, error) {
	var ids []string
	if entries, err := os.ReadDir(c.Server.StateDir); err == nil {
		for _, e := range entries {
			if id, err := uuid.Parse(e.Name()); err == nil && e.IsDir() {
				ids = append(ids, id.String())
			}
		}
	}
	if len(ids) == 0 {
		list, err := c.List(ctx, protocol.ListParams{})
		if err != nil {
			return nil, err
		}
		for _, info := range list {
			ids = append(ids, info.ID)
		}
	}
	sort.Strings(ids)
	return ids, nil
}

// short is the shortest beginning of an id that no other has, four digits at
// least.
func short(id string, ids []string) string {
	plain := strings.ReplaceAll(id, "-", "")
	n := min(4, len(plain))
	for _, other := range ids {
		if other == id {
			continue
		}
		same := 0
		for other = strings.ReplaceAll(other, "-", ""); same < len(plain) && same < len(other) && plain[same] == other[same]; {
			same++
		}
		n = max(n, min(same+1, len(plain)))
	}
	return plain[:n]
}

// shortOf is short among the stored conversations.
func shortOf(ctx context.Context, c *client.Client, id string) string {
	ids, err := storedIDs(ctx, c)
	if err != nil {
		// Eight digits are enough in practice.
		return strings.ReplaceAll(id, "-", "")[:min(8, len(id))]
	}
	return short(id, ids)
}

// stored is where a conversation is kept.
func stored(c *client.Client, id string) string {
	return tilde(filepath.Join(c.Server.StateDir, strings.ReplaceAll(id, "-", "")))
}

// tilde shortens a path in the user's home.
func tilde(path string) string {
	home, err := os.UserHomeDir()
	if err != nil || home == "" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(home, string(filepath.Separator))+string(filepath.Separator)); ok {
		return filepath.Join("~", rest)
	}
	return path
}

// refusal turns an error of a call into one for people.
func refusal(err error) error {
	var e *protocol.Error
	if errors.Is(err, context.Canceled) {
		return exitCode(exitInterrupted)
	}
	if !errors.As(err, &e) {
		if errors.Is(err, client.ErrClosed) {
			return &problem{err.Error(), "run it again; if it happens again: agent-rpc doctor", exitError}
		}
		return &problem{err.Error(), "", exitError}
	}
	p := &problem{what: e.Message, code: exitError}
	if method, what, ok := strings.Cut(e.Message, ": "); ok && strings.HasPrefix(method, "conversation/") {
		p.what = what
	}
	switch e.Code {
	case protocol.CodeAuthRequired:
		provider, _ := e.Data["provider"].(string)
		setting, _ := e.Data["setting"].(string)
		switch {
		case provider == "":
			p.what = "no model is configured"
			p.remedy = "set ANTHROPIC_API_KEY or another provider's key, or LLM_MODEL, or: agent-rpc doctor"
		case setting == "":
			p.what, p.remedy = "no key for "+provider, "agent-rpc doctor"
		default:
			p.what, p.remedy = "no key for "+provider, "set "+setting+", or: agent-rpc doctor"
		}
	case protocol.CodeLocked:
		p.remedy = "another program has this conversation open: close it there"
		if owner, ok := e.Data["lockedBy"].(map[string]any); ok {
			if pid, ok := owner["pid"].(float64); ok {
				p.remedy = fmt.Sprintf("process %.0f has this conversation open: close it there", pid)
			}
		}
	case protocol.CodeBusy:
		p.remedy = "wait until its run is over, or stop it where it was started"
	case protocol.CodeConversationNotFound:
		p.remedy = "agent-rpc conversations list"
	case protocol.CodeLLMError, protocol.CodePersistenceError, protocol.CodeInternalError:
		p.remedy = "agent-rpc doctor"
	case protocol.CodeInvalidParams, protocol.CodeInvalidState:
		p.remedy = "agent-rpc run --help"
	}
	return p
}
