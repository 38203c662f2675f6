package main

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/agent-rpc/agent-rpc/internal/client"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/visualize"
	"github.com/spf13/cobra"
)

func newShow() *cobra.Command {
	var thinking, noColor bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Print a stored conversation as run printed it",
		Example: `  agent-rpc conversations show 7f3a
  agent-rpc conversations show 7f3a --thinking | less`,
		Args:              oneID,
		ValidArgsFunction: completeFirst,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return withServer(ctx, func(c *client.Client) error {
				info, err := find(ctx, c, args[0])
				if err != nil {
					return err
				}
				o := lookOf(os.Stdout, noColor).options()
				o.Thinking, o.Workspace = thinking, client.Path(info.Workspace)
				v := visualize.New(cmd.OutOrStdout(), io.Discard, o)
				v.State(info)
				v.Header(visualize.Header{
					Version: versionOf().Version, Folder: filepath.Base(o.Workspace), Model: info.Model,
					Policy: info.ConfirmationPolicy, ID: info.ID, Short: shortOf(ctx, c, info.ID),
				})
				return replay(ctx, c, info, v)
			})
		},
	}
	cmd.Flags().BoolVar(&thinking, "thinking", false, "print the model's thoughts in full")
	cmd.Flags().BoolVar(&noColor, "no-color", false, "print without colour (so does NO_COLOR)")
	return cmd
}

func oneID(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return &problem{"one conversation is needed", "give the beginning of its id: agent-rpc conversations list", exitUsage}
	}
	return nil
}

// find gives the conversation whose id begins with what was typed.
func find(ctx context.Context, c *client.Client, prefix string) (protocol.Info, error) {
	id, err := resolve(ctx, c, prefix)
	if err != nil {
		return protocol.Info{}, err
	}
	info, err := c.State(ctx, id)
	if err != nil {
		return info, refusal(err)
	}
	return info, nil
}

// replay tells a view all events and how the conversation stands.
func replay(ctx context.Context, c *client.Client, info protocol.Info, v *visualize.View) error {
	v.Total()
	err := c.Events(ctx, info.ID, 0, 0, func(e protocol.SeqEvent) error {
		v.Event(protocol.EventNotification{ID: info.ID, Epoch: info.Cursor.Epoch, Seq: e.Seq, Event: e.Event, Display: e.Display, Replay: true})
		return v.Err()
	})
	if err != nil {
		return refusal(err)
	}
	for _, p := range info.Pending {
		v.Ask(p, false)
	}
	v.End(visualize.Ending{Short: shortOf(ctx, c, info.ID)})
	if err := v.Err(); err != nil {
		return &problem{"writing the output: " + err.Error(), "", exitError}
	}
	return nil
}
