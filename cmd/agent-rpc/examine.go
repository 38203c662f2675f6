package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/config"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/scripted"
)

func newExamination() *examination {
	return &examination{config: loadConfig(), lookPath: exec.LookPath, server: examineServer}
}

// loadConfig gives the settings as the server finds them.
func loadConfig() *config.Config {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // what needs it says so
	}
	return withCipher(config.Load(os.LookupEnv, home))
}

// conversationsDir is the folder of the conversations; "" if there is none, as
// without a home folder.
func conversationsDir(c *config.Config) string {
	if dir := c.ConversationsDir(); filepath.IsAbs(dir) {
		return dir
	}
	return ""
}

func (d *examination) settings() []Check {
	path := d.config.Path()
	var checks []Check
	_, err := d.config.Settings()
	switch {
	case err != nil:
		checks = append(checks, fileFailure("settings", err))
	case path == "":
		checks = append(checks, warning("settings", "there is no home folder to look in", "set HOME, or AGENT_RPC_CONFIG to the settings file"))
	default:
		detail := tilde(path)
		if _, err := os.Stat(path); err != nil {
			detail += " (not there; nothing needs it)"
		}
		checks = append(checks, ok("settings", detail))
	}
	for _, w := range d.config.Warnings() {
		if f := (*config.FileError)(nil); errors.As(err, &f) && strings.Contains(w, f.Message) {
			continue // said already
		}
		checks = append(checks, warning("settings", w, ""))
	}
	return checks
}

func fileFailure(name string, err error) Check {
	var f *config.FileError
	if errors.As(err, &f) {
		where := tilde(f.Path)
		if f.Line > 0 {
			where = fmt.Sprintf("%s:%d", where, f.Line)
		}
		return failure(name, where+": "+f.Message, f.Remedy)
	}
	return failure(name, err.Error(), "see docs/configuration.md")
}

// model looks at the model, its key and its server.
func (d *examination) model(ctx context.Context) []Check {
	cfg, err := d.config.Resolve(nil)
	var missing *config.AuthRequired
	switch {
	case errors.As(err, &missing):
		what, remedy, _ := strings.Cut(missing.Message, ": ")
		// Where to look is here.
		remedy, _, _ = strings.Cut(remedy, " `agent-rpc doctor`")
		if cfg.Model == "" {
			return []Check{failure("model", what, remedy)}
		}
		return []Check{ok("model", cfg.Model), failure("key", what, remedy)}
	case err != nil:
		return []Check{fileFailure("model", err)}
	}
	checks := []Check{ok("model", cfg.Model)}
	if native := cfg.NativeToolCalling; native != nil && !*native {
		checks = append(checks, warning("model", "native_tool_calling = false has no effect: tools are offered the provider's own way",
			"take it out, and choose a model and a server that know tools"))
	}
	p := llm.Provider(cfg.Model, cfg.BaseURL)
	if p.Name == "scripted" || p.Name == "replay" {
		if _, err := scripted.Open(cfg, scripted.Options{}); err != nil {
			return []Check{failure("model", err.Error(), "LLM_MODEL=scripted/demo is built in")}
		}
		return append(checks, ok("key", "none needed: a script plays the model"))
	}
	switch {
	case cfg.APIKey != "":
		checks = append(checks, ok("key", "is set"))
	case !p.NeedsKey:
		checks = append(checks, ok("key", "none needed"))
	}
	base := cfg.BaseURL
	if base == "" {
		base = p.DefaultBaseURL
	}
	if base == "" {
		return append(checks, failure("server", "it is not known where "+p.Name+" listens", "set LLM_BASE_URL"))
	}
	if d.offline {
		return append(checks, ok("server", redacted(base)+" (not tried)"))
	}
	return append(checks, reach(ctx, base))
}

// reach opens a connection to the model's server. Any answer will do: the key is
// not sent, so none of them could be a good one.
func reach(ctx context.Context, base string) Check {
	const patience = 8 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	name := redacted(base)
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, base, nil)
	if err != nil {
		return failure("server", name+" is no URL", "set LLM_BASE_URL to something like http://localhost:11434/v1")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	began := time.Now()
	resp, err := client.Do(req)
	if err == nil {
		_ = resp.Body.Close() // of an answer to HEAD, which has none
		return ok("server", fmt.Sprintf("%s answers in %d ms", name, time.Since(began).Milliseconds()))
	}
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return failure("server", name+" has a certificate that is not trusted", "check LLM_BASE_URL, or give the certificate authority by SSL_CERT_FILE")
	case errors.As(err, &dns):
		return failure("server", "there is no host "+dns.Name, "check LLM_BASE_URL and the network; behind a proxy set HTTPS_PROXY")
	case errors.Is(err, context.DeadlineExceeded):
		return failure("server", fmt.Sprintf("%s does not answer within %s", name, patience), "check the network; behind a proxy set HTTPS_PROXY")
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return failure("server", name+" can't be reached: "+err.Error(), "start it, or check LLM_BASE_URL and the network; behind a proxy set HTTPS_PROXY")
}

// redacted is a URL without what may be secret in it.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "LLM_BASE_URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// conversations tries whether conversations can be stored, without leaving
// anything behind.
func (d *examination) conversations() Check {
	const name = "conversations"
	dir := conversationsDir(d.config)
	if dir == "" {
		return failure(name, "there is no folder for them", "set HOME, or OPENHANDS_CONVERSATIONS_DIR to a folder")
	}
	remedy := "make it a folder you can write in, or set OPENHANDS_CONVERSATIONS_DIR"
	there := dir
	for {
		info, err := os.Stat(there)
		if err == nil && !info.IsDir() {
			return failure(name, tilde(there)+" is no folder", remedy)
		}
		if err == nil {
			break
		}
		up := filepath.Dir(there)
		if !errors.Is(err, os.ErrNotExist) || up == there {
			return failure(name, err.Error(), remedy)
		}
		there = up
	}
	f, err := os.CreateTemp(there, ".agent-rpc-doctor-")
	if err != nil {
		return failure(name, tilde(dir)+" can't be written", remedy)
	}
	_ = f.Close()           // nothing was written
	_ = os.Remove(f.Name()) // an empty file at the worst
	if there != dir {
		return ok(name, tilde(dir)+" (made when needed)")
	}
	return ok(name, tilde(dir))
}

// tools looks for the programs that the agent uses.
func (d *examination) tools() []Check {
	var checks []Check
	shell, remedy := "bash", "install bash: commands are run in it"
	if runtime.GOOS == "windows" {
		remedy = "install Git for Windows, which brings bash, and put it on the PATH"
	}
	if path, err := d.lookPath(shell); err == nil {
		checks = append(checks, ok("bash", path))
	} else {
		checks = append(checks, failure("bash", "is not on the PATH", remedy))
	}
	for _, tool := range []struct{ name, remedy string }{
		{"git", "install git: without it what a run changed is harder to tell"},
		{"rg", "install ripgrep: searching is slower without it"},
	} {
		if path, err := d.lookPath(tool.name); err == nil {
			checks = append(checks, ok(tool.name, path))
		} else {
			checks = append(checks, warning(tool.name, "is not on the PATH", tool.remedy))
		}
	}
	return checks
}

// examineServer starts the server as an editor would.
func examineServer(ctx context.Context) (check Check) {
	const name = "protocol"
	began := time.Now()
	c, err := connect(ctx, "")
	if err != nil {
		what := err.Error()
		return failure(name, what, "start agent-rpc serve by hand and look at what it says")
	}
	took := time.Since(began)
	if err := c.Close(); err != nil {
		return failure(name, err.Error(), "start agent-rpc serve by hand and look at what it says")
	}
	return ok(name, fmt.Sprintf("version %d, the server starts in %d ms", c.Server.Version, took.Milliseconds()))
}
