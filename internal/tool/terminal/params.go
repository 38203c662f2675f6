package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// defaultNoChange is how long a command may print nothing before the call
// returns.
const defaultNoChange = 30 * time.Second

// params are the parameters of the tool's spec, as OpenHands names them.
type params struct {
	// Username is taken for the sake of stored conversations; the shell always
	// runs as this program's user.
	Username               *string           `json:"username"`
	NoChangeTimeoutSeconds *float64          `json:"no_change_timeout_seconds"`
	TerminalType           *string           `json:"terminal_type"`
	ShellPath              *string           `json:"shell_path"`
	Env                    map[string]string `json:"env"`
}

func readParams(raw json.RawMessage) (params, error) {
	var p params
	if len(bytes.TrimSpace(raw)) == 0 {
		return p, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		var typeErr *json.UnmarshalTypeError
		if errors.As(err, &typeErr) {
			return p, fmt.Errorf("parameter %s must be a %s", typeErr.Field, typeErr.Type)
		}
		return p, err
	}
	for name := range p.Env {
		if !validName.MatchString(name) {
			return p, fmt.Errorf("parameter env: %q is no name of an environment variable", name)
		}
	}
	if n := p.NoChangeTimeoutSeconds; n != nil && *n < 0 {
		return p, errors.New("parameter no_change_timeout_seconds must be 0 or more")
	}
	if kind := p.TerminalType; kind != nil {
		switch *kind {
		case "subprocess", "tmux": // tmux gets the same shell, without tmux
		default:
			return p, fmt.Errorf("parameter terminal_type: %q is not there; there is subprocess", *kind)
		}
	}
	return p, nil
}

func (p params) noChange() time.Duration {
	if p.NoChangeTimeoutSeconds == nil || *p.NoChangeTimeoutSeconds == 0 {
		return defaultNoChange
	}
	return seconds(*p.NoChangeTimeoutSeconds)
}

// seconds gives a duration, at most about a year.
func seconds(n float64) time.Duration {
	const year = 365 * 24 * 3600
	return time.Duration(min(n, year) * float64(time.Second))
}

// findShell gives the shell to run: the one of the parameters, else bash, else
// sh.
func (p params) findShell() (path string, d dialect, err error) {
	if p.ShellPath != nil && *p.ShellPath != "" {
		path, err = exec.LookPath(*p.ShellPath)
		if err != nil {
			return "", 0, fmt.Errorf("parameter shell_path: %w", err)
		}
	} else if path, err = exec.LookPath("bash"); err != nil {
		if path, err = exec.LookPath("sh"); err != nil {
			return "", 0, errors.New("there is neither bash nor sh on PATH")
		}
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", 0, err
	}
	if strings.Contains(filepath.Base(path), "bash") {
		return path, bash, nil
	}
	return path, posix, nil
}
