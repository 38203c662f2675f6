package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTrusted(t *testing.T) {
	home := t.TempDir()
	for _, dir := range []string{"work/a", "work2", "other"} {
		if err := os.MkdirAll(filepath.Join(home, filepath.FromSlash(dir)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for target, name := range map[string]string{"../other": "work/link", "work": "alias"} {
		if err := os.Symlink(filepath.FromSlash(target), filepath.Join(home, filepath.FromSlash(name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		trusted, folder string
		want            bool
	}{
		{`["~/work"]`, "work", true},
		{`["~/work"]`, "work/a", true},
		{`["~/work"]`, "work2", false},
		{`["~/work"]`, "work/link", false},
		{`["~/work"]`, "alias/a", true},
		{`["~/alias"]`, "work/a", true},
		{`["~/work/a"]`, "work", false},
		{`["~/nowhere", "other"]`, "other", true},
		{`["~/nowhere"]`, "nowhere", false},
		{`[""]`, "work", false},
		{`[]`, "work", false},
	} {
		c := Load(func(name string) (string, bool) {
			return tt.trusted, name == "AGENT_RPC_TRUSTED_WORKSPACES"
		}, home)
		if got := c.Trusted(filepath.Join(home, filepath.FromSlash(tt.folder))); got != tt.want {
			t.Errorf("%s, %s: %v", tt.trusted, tt.folder, got)
		}
	}
	if Load(func(string) (string, bool) { return "", false }, home).Trusted(home) {
		t.Error("a folder is trusted by default")
	}
}
