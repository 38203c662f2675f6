package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/spf13/cobra"
)

// version and commit are set by the build: -ldflags "-X main.version=1.2.3".
var version, commit string

// Version is what `agent-rpc version --json` prints; editors check it.
type Version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	// Modified tells that the sources were not those of the commit.
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	// Protocol is the version of the wire protocol.
	Protocol int `json:"protocol"`
}

func versionOf() Version {
	v := Version{Name: "agent-rpc", Version: version, Commit: commit, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Protocol: protocol.Version}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v.Version == "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && v.Commit == "":
				v.Commit = s.Value
			case s.Key == "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	if v.Version == "" {
		v.Version = "devel"
	}
	return v
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of the program and of its protocol",
		Example: `  agent-rpc version
  agent-rpc version --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versionOf()
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
			}
			text := "agent-rpc " + v.Version
			if v.Commit != "" {
				text += " (" + v.Commit[:min(len(v.Commit), 12)]
				if v.Modified {
					text += ", modified"
				}
				text += ")"
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s, protocol %d, %s %s/%s\n", text, v.Protocol, v.Go, v.OS, v.Arch)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
