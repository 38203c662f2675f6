//go:build unix

package fileeditor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

func TestWriteKeepsModeAndLink(t *testing.T) {
	f := newFixture(t, Options{})
	f.write("real", "a\n")
	if err := os.Chmod(f.path("real"), 0o4751); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(f.path("real"), 0o751|fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"link": "real", "chain": "link"} {
		if err := os.Symlink(target, f.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	if obs, text := f.run(args{"command": "str_replace", "path": "chain", "old_str": "a", "new_str": "b"}); obs.IsError {
		t.Fatal(text)
	}
	info, err := os.Lstat(f.path("real"))
	if err != nil || info.Mode() != 0o751|fs.ModeSetuid || f.read("real") != "b\n" {
		t.Errorf("mode %v, content %q, %v", info.Mode(), f.read("real"), err)
	}
	for _, link := range []string{"link", "chain"} {
		if info, err := os.Lstat(f.path(link)); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s is a link no more", link)
		}
	}
}

func TestWriteKeepsOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may give files away")
	}
	f := newFixture(t, Options{})
	f.write("f", "a\n")
	if err := os.Chown(f.path("f"), 1234, 2345); err != nil {
		t.Fatal(err)
	}
	f.run(args{"command": "str_replace", "path": "f", "old_str": "a", "new_str": "b"})
	info, err := os.Stat(f.path("f"))
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 1234 || st.Gid != 2345 || f.read("f") != "b\n" {
		t.Errorf("owner %d:%d", st.Uid, st.Gid)
	}
}

func TestNewFileFollowsUmask(t *testing.T) {
	f := newFixture(t, Options{})
	f.write("by the system", "")
	f.run(args{"command": "create", "path": "by us", "file_text": "x"})
	want, err1 := os.Stat(f.path("by the system"))
	got, err2 := os.Stat(f.path("by us"))
	if err1 != nil || err2 != nil || got.Mode() != want.Mode() {
		t.Errorf("mode %v, want %v", got.Mode(), want.Mode())
	}
}

func TestSpecialFiles(t *testing.T) {
	f := newFixture(t, Options{})
	if err := syscall.Mkfifo(f.path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nothing", f.path("dangling")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", f.path("loop")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args args
		want string
	}{
		{args{"command": "view", "path": "pipe"}, "neither a regular file nor a directory"},
		{args{"command": "view", "path": "=/dev/zero"}, "neither a regular file nor a directory"},
		{args{"command": "create", "path": "dangling", "file_text": "x"}, "symbolic link to a file that does not exist"},
		{args{"command": "view", "path": "dangling"}, "does not exist"},
		{args{"command": "view", "path": "loop"}, "too many levels of symbolic links"},
	} {
		if obs, text := f.run(tt.args); !obs.IsError || !strings.Contains(text, tt.want) {
			t.Errorf("%v: %s", tt.args, text)
		}
	}
}

func TestDiskWritePermissions(t *testing.T) {
	f := newFixture(t, Options{})
	f.write("protected", "a\n")
	f.write("open", "a\n")
	asUser(t, filepath.Dir(f.dir), f.dir, f.path("protected"), f.path("open"))
	if err := os.Chmod(f.path("protected"), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := (workspace.Disk{}).Write(context.Background(), f.path("protected"), []byte("b\n")); !errors.Is(err, fs.ErrPermission) || f.read("protected") != "a\n" {
		t.Errorf("a protected file: %v", err)
	}
	if err := os.Chmod(f.dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(f.dir, 0o755) }() // so that it can be removed
	if err := (workspace.Disk{}).Write(context.Background(), f.path("open"), []byte("b\n")); err != nil || f.read("open") != "b\n" {
		t.Errorf("a file in a protected directory: %v", err)
	}
}
