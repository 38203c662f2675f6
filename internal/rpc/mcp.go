package rpc

import (
	"bytes"
	"encoding/json"
)

// withServers puts the MCP servers that a client passes into the agent's
// mcp_config, where OpenHands has them: over those that it names. They are servers
// by name, the same below "mcpServers", or a list as the Agent Client Protocol has
// it. What they are is checked by who makes the agent.
func withServers(agent, servers json.RawMessage) (json.RawMessage, error) {
	given, err := serversByName(servers)
	if err != nil {
		return nil, invalid("mcpServers", err.Error())
	}
	if len(given) == 0 {
		return agent, nil
	}
	fields := map[string]json.RawMessage{}
	if len(agent) > 0 && json.Unmarshal(agent, &fields) != nil {
		return agent, nil // what is wrong with it is told by who reads it
	}
	all, err := serversByName(fields["mcp_config"])
	if err != nil {
		return nil, invalid("agent.mcp_config", err.Error())
	}
	for name, server := range given {
		all[name] = server
	}
	if fields["mcp_config"], err = json.Marshal(all); err != nil {
		return nil, invalid("mcpServers", err.Error())
	}
	return json.Marshal(fields)
}

type shapeError string

func (e shapeError) Error() string { return string(e) }

func serversByName(raw json.RawMessage) (map[string]json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || string(raw) == "null" || string(raw) == "[]":
		return all, nil
	case raw[0] == '[':
		return serverList(raw)
	}
	if json.Unmarshal(raw, &all) != nil {
		return nil, shapeError("must be an object of servers by name, or a list")
	}
	inner, wrapped := all["mcpServers"]
	var server struct {
		Command, URL *string
	}
	if wrapped && (json.Unmarshal(inner, &server) != nil || server.Command == nil && server.URL == nil) {
		return serversByName(inner)
	}
	return all, nil
}

// serverList reads servers as the Agent Client Protocol has them, whose variables
// and headers are lists too.
func serverList(raw json.RawMessage) (map[string]json.RawMessage, error) {
	var list []map[string]json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil, shapeError("must be an object of servers by name, or a list of objects")
	}
	all := map[string]json.RawMessage{}
	for _, server := range list {
		var name string
		if json.Unmarshal(server["name"], &name) != nil || name == "" {
			return nil, shapeError("a server in a list needs a name")
		}
		delete(server, "name")
		for _, field := range []string{"env", "headers"} {
			var pairs []struct {
				Name  string `json:"name"`
				Value string `json:"value"`
			}
			if json.Unmarshal(server[field], &pairs) != nil || pairs == nil {
				continue // absent, or an object already
			}
			values := map[string]string{}
			for _, p := range pairs {
				values[p.Name] = p.Value
			}
			var err error
			if server[field], err = json.Marshal(values); err != nil {
				return nil, err
			}
		}
		one, err := json.Marshal(server)
		if err != nil {
			return nil, err
		}
		all[name] = one
	}
	return all, nil
}
