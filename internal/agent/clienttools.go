package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/askuser"
	"github.com/agent-rpc/agent-rpc/internal/tool/clienttool"
	"github.com/agent-rpc/agent-rpc/internal/tool/finish"
	"github.com/agent-rpc/agent-rpc/internal/tool/invokeskill"
	"github.com/agent-rpc/agent-rpc/internal/tool/think"
)

// clientTools makes the tools that the client carries out and adds them to the
// agent's, with their specs, where OpenHands looks for them. It gives the others,
// which the registry makes.
func (a *Agent) clientTools() (specs []tool.Spec, made []tool.Tool, err error) {
	if a.env.AskUser && !a.spec.namesTools() && a.deps.Tools.Has(askuser.Name) {
		a.spec.Tools = append(a.spec.Tools, tool.Spec{Name: askuser.Name})
	}
	ours := []string{finish.Name, think.Name, invokeskill.Name}
	for _, t := range a.env.ClientTools {
		named := func(s tool.Spec) bool { return s.Name == t.Name }
		if a.deps.Tools.Has(t.Name) || slices.Contains(ours, t.Name) {
			if a.spec.namesTools() && slices.ContainsFunc(a.spec.Tools, named) && t.Name == askuser.Name {
				continue // stored as a client tool, for OpenHands knows no other way
			}
			return nil, nil, fmt.Errorf("%q is a tool of the agent itself; give yours another name", t.Name)
		}
		spec := clienttool.Spec{Name: t.Name, Description: t.Description, Parameters: t.Parameters}
		if len(t.Annotations) > 0 && json.Unmarshal(t.Annotations, &spec.Annotations) != nil {
			return nil, nil, fmt.Errorf("%s: annotations must be an object of MCP's hints", t.Name)
		}
		client, err := clienttool.New(spec, a.execute, a.deps.ExecuteTimeout)
		if err != nil {
			return nil, nil, err
		}
		made = append(made, client)
		a.spec.Tools = append(slices.DeleteFunc(a.spec.Tools, named), tool.Spec{Name: t.Name, Params: clienttool.Params(client.Definition())})
	}
	for i, s := range a.spec.Tools {
		if s.Name == askuser.Name {
			a.spec.Tools[i].Params = clienttool.Params(askuser.Tool{}.Definition())
		}
		if !slices.ContainsFunc(made, func(t tool.Tool) bool { return t.Definition().Name == s.Name }) {
			specs = append(specs, s)
		}
	}
	return specs, made, nil
}

func (a *Agent) execute(ctx context.Context, call clienttool.Call) (tool.Result, error) {
	if a.deps.Execute == nil {
		return tool.Result{}, errors.New("there is no editor here that could carry out " + call.Name)
	}
	return a.deps.Execute(ctx, a.env.ConversationID, call)
}
