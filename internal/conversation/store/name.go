package store

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// The names inside a conversation's directory.
const (
	eventsDir   = "events"
	orphansDir  = "events.orphaned"
	stateFile   = "base_state.json"
	sidecarFile = "agent_rpc.json"
	ownerLock   = "agent-rpc.lock"
	appendLock  = ".eventlog.lock"
	tempPrefix  = ".agent-rpc-"
	tempSuffix  = ".tmp"
	// Tools save there what is too long for an event.
	observationsDir = "observations"
)

// Path is the directory of a conversation. The id is a UUID, with dashes or
// without; anything else gives an [IDError], so an id never leads out of base.
func Path(base, id string) (string, error) {
	hex, err := hexID(id)
	if err != nil {
		return "", err
	}
	return filepath.Join(base, hex), nil
}

// hexID gives a conversation id as its directory is named.
func hexID(id string) (string, error) {
	hex := id
	if len(id) == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-' {
		hex = id[:8] + id[9:13] + id[14:18] + id[19:23] + id[24:]
	}
	hex = strings.ToLower(hex)
	if !isDirName(hex) {
		return "", &IDError{ID: id, Want: "a UUID"}
	}
	return hex, nil
}

// isDirName tells whether a directory entry is a conversation's.
func isDirName(name string) bool {
	if len(name) != 32 {
		return false
	}
	for i := range len(name) {
		if !isHex(name[i]) || 'A' <= name[i] && name[i] <= 'F' {
			return false
		}
	}
	return true
}

// dashed gives a directory name as the conversation's id.
func dashed(hex string) string {
	return hex[:8] + "-" + hex[8:12] + "-" + hex[12:16] + "-" + hex[16:20] + "-" + hex[20:]
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// eventName is the file name of an event.
func eventName(index int, id string) string {
	return fmt.Sprintf("event-%05d-%s.json", index, id)
}

// parseEventName reads a file name as OpenHands does: five or more digits, then
// an id of eight or more hex digits and dashes.
func parseEventName(name string) (index int, id string, ok bool) {
	rest, ok := strings.CutPrefix(name, "event-")
	if !ok {
		return 0, "", false
	}
	rest, ok = strings.CutSuffix(rest, ".json")
	if !ok {
		return 0, "", false
	}
	digits, id, ok := strings.Cut(rest, "-")
	if !ok || len(digits) < 5 || !isEventID(id) {
		return 0, "", false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, "", false
		}
	}
	index, err := strconv.Atoi(digits)
	return index, id, err == nil
}

// isEventID tells whether an event id can stand in a file name.
func isEventID(id string) bool {
	if len(id) < 8 || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		if !isHex(id[i]) && id[i] != '-' {
			return false
		}
	}
	return true
}
