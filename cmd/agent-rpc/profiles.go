package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/config"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/visualize"
	"github.com/spf13/cobra"
)

func newProfiles() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "profiles",
		Aliases: []string{"profile"},
		Short:   "List, show, save and delete models that have a name",
		Long: `Models that are saved under a name, in OpenHands' own files: ~/.openhands/profiles.
Keys are not saved unless you say so; they are looked up when a model is used.`,
		Example: `  agent-rpc profiles save fast --model openai/gpt-5-mini --set reasoning_effort=low
  agent-rpc profiles list
  agent-rpc run --profile fast "Fix the failing test"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newProfilesList(), newProfilesShow(), newProfilesSave(), newProfilesDelete())
	return cmd
}

func newProfilesList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the saved models",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := profileInfos(newConfig())
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printProfiles(cmd.OutOrStdout(), list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printProfiles(w io.Writer, list []protocol.ProfileInfo) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "There are no profiles yet. Save one: agent-rpc profiles save NAME --model MODEL")
		return err
	}
	rows := [][]string{{"NAME", "MODEL", "KEY", "SERVER"}}
	for _, p := range list {
		key, model := "looked up", p.Model
		if p.APIKeySet {
			key = "saved"
		}
		if p.Error != "" {
			key, model = "", "can't be used: "+p.Error
		}
		rows = append(rows, []string{p.Name, clean(model), key, clean(p.BaseURL)})
	}
	for _, row := range visualize.Table(rows) {
		if _, err := fmt.Fprintln(w, row); err != nil {
			return err
		}
	}
	return nil
}

func newProfilesShow() *cobra.Command {
	return &cobra.Command{
		Use:               "show NAME",
		Short:             "Print a saved model, its secrets masked",
		Args:              oneProfile,
		ValidArgsFunction: completeProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := newConfig().ShowProfile(args[0])
			if err != nil {
				return profileProblem(err)
			}
			_, err = cmd.OutOrStdout().Write(raw)
			return err
		},
	}
}

func newProfilesSave() *cobra.Command {
	var model, baseURL string
	var set []string
	var withKey bool
	cmd := &cobra.Command{
		Use:   "save NAME",
		Short: "Save a model under a name, or change one that is saved",
		Long: `Save the model that is configured, with what the flags say on top. Of a profile
that exists only what the flags name is changed; everything else in its file stays.

The key is left out, as OpenHands does: it is looked up when the model is used.
With --with-key it is written too, encrypted if the setting secret_key is there
and in clear otherwise, into a file that only you can read.`,
		Example: `  agent-rpc profiles save work                                the model as configured
  agent-rpc profiles save fast --model openai/gpt-5-mini --set reasoning_effort=low
  agent-rpc profiles save own --model openai/qwen --base-url http://localhost:8000/v1
  agent-rpc profiles save fast --set temperature=null         take a field out`,
		Args:              oneProfile,
		ValidArgsFunction: completeProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			given, err := profileFields(cmd, model, baseURL, set)
			if err != nil {
				return err
			}
			return saveProfile(cmd, newConfig(), args[0], given, withKey)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&model, "model", "", "the `MODEL`, such as anthropic/claude-sonnet-5")
	flags.StringVar(&baseURL, "base-url", "", "the `URL` of a compatible server")
	flags.StringArrayVar(&set, "set", nil, "set another `FIELD=VALUE` of OpenHands' LLM; may be given more than once")
	flags.BoolVar(&withKey, "with-key", false, "save the key too")
	must(cmd.RegisterFlagCompletionFunc("model", completeModel))
	must(cmd.RegisterFlagCompletionFunc("base-url", cobra.NoFileCompletions))
	must(cmd.RegisterFlagCompletionFunc("set", completeField))
	return cmd
}

// profileFields are the fields that the flags name. A value that is JSON is taken
// as such, any other is a text.
func profileFields(cmd *cobra.Command, model, baseURL string, set []string) (map[string]json.RawMessage, error) {
	given := map[string]json.RawMessage{}
	text := func(s string) json.RawMessage {
		raw, err := json.Marshal(s)
		must(err) // strings encode
		return raw
	}
	for _, assignment := range set {
		name, value, ok := strings.Cut(assignment, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, &problem{fmt.Sprintf("--set %q is no assignment", assignment), "write it as FIELD=VALUE: --set temperature=0.2", exitUsage}
		}
		if json.Valid([]byte(value)) {
			given[name] = json.RawMessage(value)
		} else {
			given[name] = text(value)
		}
	}
	for flag, value := range map[string]string{"model": model, "base-url": baseURL} {
		if cmd.Flags().Changed(flag) {
			given[strings.ReplaceAll(flag, "-", "_")] = text(value)
		}
	}
	return given, nil
}

func saveProfile(cmd *cobra.Command, cfg *config.Config, name string, given map[string]json.RawMessage, withKey bool) error {
	if _, ok := given["api_key"]; ok && !withKey {
		return &problem{"a key is saved only with --with-key", "leave api_key out to have it looked up, or add --with-key", exitUsage}
	}
	exists := cfg.CheckProfile(name) == nil
	if exists && len(given) == 0 && !withKey {
		return &problem{"there is a profile " + strings.TrimSuffix(name, ".json") + " already", "say what to change, or delete it first", exitUsage}
	}
	fields := given
	if !exists || withKey {
		resolved, err := resolvedFields(cfg, name, exists, given)
		if err != nil {
			return err
		}
		for field, value := range resolved {
			if _, named := fields[field]; !named && (!exists || field == "api_key") {
				fields[field] = value
			}
		}
	}
	raw, err := json.Marshal(fields)
	if err == nil {
		err = cfg.SaveProfile(cmd.Context(), name, raw, withKey)
	}
	if err != nil {
		return profileProblem(err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "Saved %s\n", strings.TrimSuffix(name, ".json"))
	return err
}

// resolvedFields are what settings and environment say of the model that is
// described, its key too.
func resolvedFields(cfg *config.Config, name string, exists bool, given map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	raw, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	profile := ""
	if exists {
		profile = name
	}
	resolved, err := cfg.ResolveProfile(profile, raw)
	var missing *config.AuthRequired
	if errors.As(err, &missing) && resolved.Model != "" {
		err = nil // a profile needs no key
	}
	if err != nil {
		return nil, profileProblem(err)
	}
	encoded, err := json.Marshal(resolved)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, err
	}
	delete(fields, "api_key") // masked
	if key := resolved.APIKey.Reveal(); key != "" {
		if fields["api_key"], err = json.Marshal(key); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

func newProfilesDelete() *cobra.Command {
	return &cobra.Command{
		Use:               "delete NAME",
		Aliases:           []string{"rm"},
		Short:             "Delete a saved model",
		Long:              "Delete a saved model. Conversations that use it go on with the model that is stored with them.",
		Args:              oneProfile,
		ValidArgsFunction: completeProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := newConfig().DeleteProfile(cmd.Context(), args[0]); err != nil {
				return profileProblem(err)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "Deleted %s\n", strings.TrimSuffix(args[0], ".json"))
			return err
		},
	}
}

func oneProfile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return &problem{"which profile?", "give its name: " + cmd.CommandPath() + " NAME", exitUsage}
	}
	return nil
}

// profileProblem says what is wrong in the words of the settings.
func profileProblem(err error) error {
	var file *config.FileError
	if errors.As(err, &file) {
		return &problem{tilde(file.Path) + ": " + file.Message, file.Remedy, exitError}
	}
	return &problem{err.Error(), "agent-rpc profiles --help", exitUsage}
}

// completeProfiles completes the name of a profile where one is wanted.
func completeProfiles(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, p := range newConfig().Profiles() {
		out = append(out, p.Name+"\t"+escape(p.Model))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeProfileFlag completes the name of a profile after a flag.
func completeProfileFlag(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return completeProfiles(cmd, nil, typed)
}

// completeField completes the name of a field of OpenHands' LLM.
func completeField(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	if strings.Contains(typed, "=") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, name := range config.ProfileFields() {
		out = append(out, name+"=")
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
