package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/client"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/visualize"
	"github.com/spf13/cobra"
)

func newList() *cobra.Command {
	var asJSON bool
	var limit int
	var query, workspace string
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List stored conversations, the newest first",
		Example: `  agent-rpc conversations list
  agent-rpc conversations list --workspace . --search webhook
  agent-rpc conversations list --json | jq -r '.[].id'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			params := protocol.ListParams{Query: query, Limit: limit}
			if workspace != "" {
				folder, err := folderOf(workspace)
				if err != nil {
					return err
				}
				params.Workspace = client.URI(folder)
			}
			return withServer(cmd.Context(), func(c *client.Client) error {
				list, err := c.List(cmd.Context(), params)
				if err != nil {
					return refusal(err)
				}
				if limit > 0 && len(list) > limit {
					list = list[:limit]
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), notNil(list))
				}
				nameUntitled(cmd.Context(), c, list)
				return printList(cmd.OutOrStdout(), list, time.Now())
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	flags.IntVarP(&limit, "limit", "n", 0, "list `N` at the most (default: all)")
	flags.StringVar(&query, "search", "", "only those with `TEXT` in the title or the id")
	flags.StringVar(&workspace, "workspace", "", "only those of `FOLDER`")
	must(cmd.MarkFlagDirname("workspace"))
	return cmd
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printList prints a table: the id, age, status, title and folder.
func printList(w io.Writer, list []protocol.Info, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, `There are no conversations yet. Start one: agent-rpc run "TASK"`)
		return err
	}
	ids := make([]string, 0, len(list))
	for _, info := range list {
		ids = append(ids, info.ID)
	}
	rows := [][]string{{"ID", "AGE", "STATUS", "TITLE", "FOLDER"}}
	for _, info := range list {
		id := short(info.ID, ids)
		if plain := strings.ReplaceAll(info.ID, "-", ""); len(id) < 8 {
			id = plain[:min(8, len(plain))]
		}
		rows = append(rows, []string{id, age(info.UpdatedAt, now), statusWords(info), titleOf(info), tilde(client.Path(info.Workspace))})
	}
	for _, row := range visualize.Table(rows) {
		if _, err := fmt.Fprintln(w, row); err != nil {
			return err
		}
	}
	return nil
}

// nameUntitled gives conversations without a title the beginning of their first
// message for one.
func nameUntitled(ctx context.Context, c *client.Client, list []protocol.Info) {
	const most = 48
	for i := range list {
		if list[i].Title != "" {
			continue
		}
		text := []rune(clean(firstMessage(ctx, c, list[i].ID)))
		if len(text) > most {
			text = append(text[:most-1], '…')
		}
		list[i].Title = string(text)
	}
}

// firstMessage is the first line of what the user said first; empty if that
// can't be told.
func firstMessage(ctx context.Context, c *client.Client, id string) string {
	var page protocol.EventsResult
	err := c.Call(ctx, protocol.MethodEvents, protocol.EventsParams{ID: id, Limit: 3, Kinds: []string{event.KindMessage}}, &page)
	if err != nil {
		return ""
	}
	for _, e := range page.Events {
		decoded, err := event.Decode(e.Event)
		if m, ok := decoded.(*event.Message); ok && err == nil && m.Source == event.SourceUser {
			line, _, _ := strings.Cut(strings.TrimSpace(m.LLMMessage.Text()), "\n")
			return line
		}
	}
	return ""
}

// statusWords is the status as people say it.
func statusWords(info protocol.Info) string {
	switch {
	case info.StopReason == protocol.StopMaxIterations:
		return "step limit"
	case info.StopReason == protocol.StopBudget:
		return "budget"
	case info.StopReason == protocol.StopInterrupted:
		return "stopped"
	case info.Status == protocol.StatusWaitingForConfirmation:
		return "waiting"
	case info.Status == protocol.StatusWaitingForInput:
		return "asks"
	}
	return string(info.Status)
}

func titleOf(info protocol.Info) string {
	if info.Title == "" {
		return "(no title)"
	}
	return clean(info.Title)
}

// age is how long ago a time was: "now", "5m", "3h", "2d", "6w", or the date.
func age(timestamp string, now time.Time) string {
	t, err := time.Parse(time.RFC3339, timestamp)
	if err != nil {
		return "?"
	}
	switch d := now.Sub(t); {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d < 60*24*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return t.Local().Format(time.DateOnly)
}

// idChoices are the ids that complete what was typed, each with its title.
func idChoices(list []protocol.Info, taken []string, typed string, now time.Time) []string {
	ids := make([]string, 0, len(list))
	for _, info := range list {
		ids = append(ids, info.ID)
	}
	var out []string
	for _, info := range list {
		id := strings.ReplaceAll(info.ID, "-", "")
		id = id[:min(len(id), max(8, len(short(info.ID, ids)), len(typed)))]
		if strings.HasPrefix(id, strings.ToLower(typed)) && !slices.Contains(taken, id) {
			out = append(out, fmt.Sprintf("%s\t%s · %s", id, titleOf(info), age(info.UpdatedAt, now)))
		}
	}
	return out
}
