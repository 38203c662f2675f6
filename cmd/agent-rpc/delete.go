package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/client"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func newDelete() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "delete ID…",
		Aliases: []string{"rm"},
		Short:   "Delete stored conversations for good",
		Example: `  agent-rpc conversations delete 7f3a
  agent-rpc conversations delete --yes 7f3a 91bc`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &problem{"which conversation?", "give the beginning of its id: agent-rpc conversations list", exitUsage}
			}
			return nil
		},
		ValidArgsFunction: completeOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return withServer(ctx, func(c *client.Client) error {
				// All are found before the first is gone: a slip in one id deletes nothing.
				var found []protocol.Info
				for _, arg := range args {
					info, err := find(ctx, c, arg)
					if err != nil {
						return err
					}
					found = append(found, info)
				}
				for _, info := range found {
					if !yes {
						sure, err := confirmDelete(info)
						if err != nil {
							return err
						}
						if !sure {
							fmt.Fprintln(os.Stderr, "Kept.")
							continue
						}
					}
					if err := c.Delete(ctx, info.ID); err != nil {
						return refusal(err)
					}
					if _, err := fmt.Fprintf(cmd.OutOrStdout(), "Deleted %s %s\n", info.ID, titleOf(info)); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// confirmDelete asks on the terminal; only "yes" or "y" is a yes.
func confirmDelete(info protocol.Info) (bool, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stderr.Fd())) {
		return false, &problem{"there is no terminal to ask on", "say --yes to delete without a question", exitUsage}
	}
	fmt.Fprintf(os.Stderr, "Delete %s %q in %s for good? (y/n) ", info.ID[:min(8, len(info.ID))], titleOf(info), tilde(client.Path(info.Workspace)))
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return false, nil // no answer is no
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}
