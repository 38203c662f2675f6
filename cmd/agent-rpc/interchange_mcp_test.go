//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// callsOfMCPServers: a server that create named, one of the settings, their calls
// and what is told of one that does not come up are in our files what the SDK knows.
func callsOfMCPServers(t *testing.T, s *sdk) {
	p := newPlace(t, anew+`
		{"calls": [{"fake_echo": {"text": "hello", "n": 2}}, {"fake_parts": {}}, {"fake_fail": {}}]}
		{"calls": [{"fake_add": {"A": 1, "B": 2}}, {"fake_echo": {"what": 1}}, {"fake_die": {}}]}
		"Done."`)
	h := p.start()
	h.initialize("")
	id := h.create(`"mcpServers":{"fake":{"command":"mcp-server","args":["good"],"env":{"GIVEN":"v3ry-s3cret","OTHER":"${GIVEN}"},"timeout":60},
		"bad":{"command":"mcp-server","args":["dead"]},
		"far":{"url":"http://127.0.0.1:9/mcp","enabled":false,"auth":{"strategy":"bearer","value":"t0ken-t0ken"}}}`)
	if i := h.settled(h.say(id, "Go")); i.Status != "finished" {
		t.Fatalf("the run ended as %+v %+v", i, i.Error)
	}
	h.call(nil, "conversation/close", `{"id":%q}`, id)
	stored := p.stored(id)
	all := ""
	for _, raw := range stored {
		all += string(raw)
	}
	for _, want := range []string{`"kind":"MCPToolAction"`, `"kind":"MCPToolObservation"`, `"tool_name":"fake_echo"`, `hello 2 []`, `data:image/png;base64`, `exit status 7`, `MCP server \"bad\" could not be started`} {
		if !strings.Contains(all, want) {
			t.Errorf("the run left no %s", want)
		}
	}
	_, before := p.baseState(id)
	for _, secret := range []string{"v3ry-s3cret", "t0ken-t0ken"} {
		if strings.Contains(string(before["agent"]), secret) {
			t.Errorf("the agent is stored with %s: %s", secret, before["agent"])
		}
	}
	if !strings.Contains(string(before["agent"]), `"OTHER":"${GIVEN}"`) || !strings.Contains(string(before["agent"]), `"strategy":"bearer"`) {
		t.Errorf("the agent is stored as %s", before["agent"])
	}

	s.resume(t, p, id)
	is := s.seen(t, id)
	sameEvents(t, stored, is)
	sameView(t, stored, is)
	var agent struct {
		Servers map[string]struct{ Command, URL string } `json:"mcp_config"`
	}
	if err := json.Unmarshal(is.State["agent"], &agent); err != nil || agent.Servers["fake"].Command != "mcp-server" || agent.Servers["far"].URL == "" {
		t.Errorf("the SDK reads the servers as %+v: %v", agent.Servers, err)
	}
	s.ask(t, nil, "close", id)

	// And so do we, with what is stored.
	h.create(fmt.Sprintf(`"conversationId":%q`, id))
	if i := h.settled(h.say(id, "Again")); i.Status != "finished" {
		t.Errorf("our next run ended as %+v %+v", i, i.Error)
	}
	h.shutdown()
}
