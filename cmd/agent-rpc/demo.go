package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/agent-rpc/agent-rpc/internal/client"
	"github.com/agent-rpc/agent-rpc/internal/llm/scripted"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/spf13/cobra"
)

func newDemo() *cobra.Command {
	var keep, plain bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work in a few seconds: no key, no network",
		Long: `Work on a small project in a scratch folder. The model is played by a script,
everything else is real: the files, the commands, the approval, and the
conversation that is stored. On a terminal you answer the approval; without one
the script does, and says so.`,
		Example: `  agent-rpc demo
  agent-rpc demo --keep     leave the scratch folder there to look at`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), keep, plain)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the scratch folder")
	cmd.Flags().BoolVar(&plain, "plain", false, "print plain text, as for a file")
	return cmd
}

// demoEnv makes the server play the script, whatever model is configured.
var demoEnv = []string{"LLM_MODEL=scripted/demo", "LLM_BASE_URL=", "LLM_API_KEY="}

func runDemo(ctx context.Context, keep, plain bool) (err error) {
	folder, remove, err := scratch()
	if err != nil {
		return err
	}
	where := "in " + folder + ", which is kept"
	if !keep {
		where = "in a scratch folder, removed at the end (--keep keeps it)"
		defer remove()
	}
	signals, stopSignals := watchSignals()
	defer stopSignals()
	start, begun := untilSignal(ctx, signals)
	c, err := connect(start, folder, demoEnv...)
	if err != nil {
		begun()
		return err
	}
	defer closing(c, &err)
	s, err := openDemo(start, c, folder, where, plain)
	if err == nil {
		err = s.begin(start, scripted.DemoTask)
	}
	begun()
	if err != nil {
		return err
	}
	s.signals = signals
	return s.follow(ctx)
}

func openDemo(ctx context.Context, c *client.Client, folder, where string, plain bool) (*session, error) {
	params := protocol.CreateParams{
		Workspace:          client.URI(folder),
		Title:              "Demo",
		ConfirmationPolicy: json.RawMessage(`{"threshold":"HIGH","confirm_unknown":false,"kind":"ConfirmRisky"}`),
		SecurityAnalyzer:   json.RawMessage(analyzer),
	}
	homeless := conversationsDir(loadConfig()) == ""
	if homeless {
		params.PersistenceDir = json.RawMessage("null")
	}
	created, err := c.Create(ctx, params)
	if err != nil {
		return nil, refusal(err)
	}
	s := newSession(c, created.Conversation, false, false)
	if plain {
		s.look = look{width: 80}
	}
	s.answer = func(protocol.Pending) string { return "There is no terminal to ask on: the script approves." }
	s.ending.Stored = "stored in " + stored(c, s.info.ID)
	if homeless {
		s.ending.Stored = "not stored, as HOME is not set"
	}
	s.ending.Next = "next: agent-rpc doctor · agent-rpc run · README"
	s.show(s.look.options())
	s.view.DemoHeader(versionOf().Version, where)
	return s, nil
}

// scratch makes the project of the demonstration in a new folder.
func scratch() (folder string, remove func(), err error) {
	failed := func(err error) (string, func(), error) {
		return "", nil, &problem{"making a scratch folder: " + err.Error(), "set TMPDIR to a folder that can be written", exitError}
	}
	folder, err = os.MkdirTemp("", "agent-rpc-demo-")
	if err != nil {
		return failed(err)
	}
	remove = func() { _ = os.RemoveAll(folder) } // what is left over is in the folder for such things
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		folder = real
	}
	for name, text := range scripted.DemoFiles() {
		file := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			remove()
			return failed(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			remove()
			return failed(err)
		}
	}
	return folder, remove, nil
}
