package store

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	for _, c := range []struct{ id, want string }{
		{"6f1c2a34-9b77-4f0e-8a51-0c4d5e6f7a8b", "6f1c2a349b774f0e8a510c4d5e6f7a8b"},
		{"6F1C2A34-9B77-4F0E-8A51-0C4D5E6F7A8B", "6f1c2a349b774f0e8a510c4d5e6f7a8b"},
		{"6f1c2a349b774f0e8a510c4d5e6f7a8b", "6f1c2a349b774f0e8a510c4d5e6f7a8b"},
		{"6f1c2a34-9b774f0e8a510c4d5e6f7a8b", ""},
		{"6f1c2a349b774f0e8a510c4d5e6f7a8", ""},
		{"6f1c2a34-9b77-4f0e-8a51-0c4d5e6f7a8g", ""},
		{"", ""},
		{"..", ""},
	} {
		got, err := Path("base", c.id)
		if c.want == "" && err == nil || c.want != "" && got != filepath.Join("base", c.want) {
			t.Errorf("Path(%q) = %q, %v", c.id, got, err)
		}
	}
}

// eventNameRE is what OpenHands reads names with, less its limit on numbers.
var eventNameRE = regexp.MustCompile(`^event-([0-9]{5,})-([0-9a-fA-F-]{8,128})\.json$`)

func FuzzParseEventName(f *testing.F) {
	for _, s := range []string{
		"event-00000-" + convID + ".json", "event-100000-abcdef01.json", "event-0000-abcdef01.json", "event-00000--------.json-x",
		"event-00000---------.json", "event-٠٠٠٠٠-abcdef01.json", "event-+00001-abcdef01.json", "event-99999999999999999999-abcdef01.json", ".json", "event-.json",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		index, id, ok := parseEventName(name)
		m := eventNameRE.FindStringSubmatch(name)
		want := m != nil
		if want {
			_, err := strconv.Atoi(m[1])
			want = err == nil
		}
		if ok != want {
			t.Fatalf("parseEventName(%q) = %v, want %v", name, ok, want)
		}
		if ok {
			if n, _ := strconv.Atoi(m[1]); n != index || m[2] != id {
				t.Errorf("parseEventName(%q) = %d, %q", name, index, id)
			}
			i, again, ok := parseEventName(eventName(index, id))
			if !ok || i != index || again != id {
				t.Errorf("%q does not survive being written", name)
			}
		}
	})
}

func FuzzHexID(f *testing.F) {
	f.Add(convID)
	f.Add("../../../../../../../../../../..")
	f.Fuzz(func(t *testing.T, id string) {
		hex, err := hexID(id)
		if err != nil {
			return
		}
		if len(hex) != 32 || strings.Trim(hex, "0123456789abcdef") != "" || !strings.EqualFold(strings.ReplaceAll(id, "-", ""), hex) {
			t.Errorf("hexID(%q) = %q", id, hex)
		}
		if again, err := hexID(dashed(hex)); err != nil || again != hex {
			t.Errorf("%q with dashes: %q, %v", hex, again, err)
		}
	})
}
