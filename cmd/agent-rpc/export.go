package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/agent-rpc/agent-rpc/internal/client"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/visualize"
	"github.com/spf13/cobra"
)

func newExport() *cobra.Command {
	var format, output string
	cmd := &cobra.Command{
		Use:   "export ID",
		Short: "Write a stored conversation as Markdown or JSON",
		Long: `Write a stored conversation to stdout or a file.

  md     for people: messages, steps and their failures
  json   one object: the conversation's state and its events
  jsonl  the events alone, one per line, as OpenHands stores them`,
		Example: `  agent-rpc conversations export 7f3a > webhooks.md
  agent-rpc conversations export 7f3a --format jsonl | jq .kind`,
		Args:              oneID,
		ValidArgsFunction: completeFirst,
		RunE: func(cmd *cobra.Command, args []string) error {
			write := exporters[format]
			if write == nil {
				return &problem{fmt.Sprintf("--format %q is not known", format), "it is md, json or jsonl", exitUsage}
			}
			return withServer(cmd.Context(), func(c *client.Client) error {
				info, err := find(cmd.Context(), c, args[0])
				if err != nil {
					return err
				}
				if output == "" {
					return buffered(cmd.OutOrStdout(), func(w io.Writer) error { return write(cmd.Context(), c, info, w) })
				}
				f, err := os.Create(output)
				if err != nil {
					return &problem{err.Error(), "give --output a file that can be written", exitError}
				}
				err = buffered(f, func(w io.Writer) error { return write(cmd.Context(), c, info, w) })
				if e := f.Close(); err == nil && e != nil {
					err = &problem{e.Error(), "", exitError}
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&format, "format", "md", "`FORMAT`: md, json or jsonl")
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`")
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"md", "json", "jsonl"}, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

type exporter func(ctx context.Context, c *client.Client, info protocol.Info, w io.Writer) error

var exporters = map[string]exporter{
	"md": func(ctx context.Context, c *client.Client, info protocol.Info, w io.Writer) error {
		v := visualize.NewMarkdown(w, visualize.Options{Workspace: client.Path(info.Workspace)})
		v.State(info)
		v.Title(titleOf(info), info.CreatedAt)
		return replay(ctx, c, info, v)
	},
	"json": func(ctx context.Context, c *client.Client, info protocol.Info, w io.Writer) error {
		events := []json.RawMessage{}
		err := c.Events(ctx, info.ID, 0, 0, func(e protocol.SeqEvent) error {
			events = append(events, e.Event)
			return nil
		})
		if err != nil {
			return refusal(err)
		}
		return printJSON(w, map[string]any{"conversation": info, "events": events})
	},
	"jsonl": func(ctx context.Context, c *client.Client, info protocol.Info, w io.Writer) error {
		err := c.Events(ctx, info.ID, 0, 0, func(e protocol.SeqEvent) error {
			_, err := fmt.Fprintf(w, "%s\n", e.Event)
			return err
		})
		if err != nil {
			return refusal(err)
		}
		return nil
	},
}

func buffered(w io.Writer, f func(w io.Writer) error) error {
	b := bufio.NewWriter(w)
	if err := f(b); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return &problem{"writing the output: " + err.Error(), "", exitError}
	}
	return nil
}
