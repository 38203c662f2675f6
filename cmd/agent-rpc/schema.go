package main

import (
	"github.com/spf13/cobra"

	"github.com/agent-rpc/agent-rpc/internal/rpc/schema"
)

func newSchema() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the schema of the protocol",
		Long: `Print the schema of the protocol, made from the Go types that the server uses: as a
JSON document with a JSON Schema for each type, or as TypeScript declarations.`,
		Example: `  agent-rpc schema --format json | jq '.methods[].method'
  agent-rpc schema --format ts > protocol.ts`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var text []byte
			var err error
			switch format {
			case "json":
				text, err = schema.JSON()
			case "ts":
				var ts string
				ts, err = schema.TypeScript()
				text = []byte(ts)
			default:
				return &problem{"the format " + format + " is not known", "it is json or ts", exitUsage}
			}
			if err == nil {
				_, err = cmd.OutOrStdout().Write(text)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "json", "json or ts")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"json", "ts"}, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}
