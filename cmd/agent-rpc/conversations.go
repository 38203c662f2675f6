package main

import (
	"context"
	"os"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/client"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/spf13/cobra"
)

func newConversations() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "conversations",
		Aliases: []string{"conversation", "conv"},
		Short:   "List, show, export and delete stored conversations",
		Example: `  agent-rpc conversations list
  agent-rpc conversations show 7f3a
  agent-rpc conversations export 7f3a --format md > notes.md`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newList(), newShow(), newExport(), newDelete())
	return cmd
}

// withServer runs f with a server that is only asked about what is stored.
func withServer(ctx context.Context, f func(c *client.Client) error) (err error) {
	folder, err := os.Getwd()
	if err != nil {
		folder = "" // one does not need to be anywhere to read
	}
	c, err := connect(ctx, folder)
	if err != nil {
		return err
	}
	defer closing(c, &err)
	return f(c)
}

// completeOne completes the id of a conversation.
func completeOne(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return completeIDs(cmd.Context(), args, typed)
}

// completeFirst completes an id where a command takes one.
func completeFirst(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completeIDs(cmd.Context(), nil, typed)
}

func completeIDs(ctx context.Context, taken []string, typed string) ([]string, cobra.ShellCompDirective) {
	const patience = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var out []string
	err := withServer(ctx, func(c *client.Client) error {
		list, err := c.List(ctx, protocol.ListParams{Limit: 100})
		if err != nil {
			return err
		}
		out = idChoices(list, taken, typed, time.Now())
		return nil
	})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completeModel completes the name of a model.
func completeModel(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	const patience = 3 * time.Second
	ctx, cancel := context.WithTimeout(cmd.Context(), patience)
	defer cancel()
	var out []string
	err := withServer(ctx, func(c *client.Client) error {
		models, err := c.Models(ctx)
		for _, m := range models.Models {
			out = append(out, m.ID+"\t"+escape(m.Name))
		}
		return err
	})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
