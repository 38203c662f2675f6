package workspace

import (
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestParseURI(t *testing.T) {
	for _, c := range []struct {
		uri           string
		unix, windows string // "" for an error
	}{
		{"file:///home/me/a.go", "/home/me/a.go", ""},
		{"FILE:///home/me", "/home/me", ""},
		{"file:/home/me", "/home/me", ""},
		{"file://localhost/home/me", "/home/me", ""},
		{"file:///", "/", ""},
		{"file:///a%20b/%C3%A4%2Bc", "/a b/ä+c", ""},
		{"file:///a b/ä+c", "/a b/ä+c", ""},
		{"file:///100%25", "/100%", ""},
		{"file:///what%3F%23", "/what?#", ""},
		{"file:///%ff", "/\xff", ""},
		{"file:///c:/x/y.go", "/c:/x/y.go", "C:/x/y.go"},
		{"file:///c%3A/x/y.go", "/c:/x/y.go", "C:/x/y.go"},
		{"file:///C%3a/x%5Cy.go", `/C:/x\y.go`, "C:/x/y.go"},
		{"file:///c|/x", "/c|/x", "C:/x"},
		{"file:///c:", "/c:", "C:/"},
		{"file:///c:/", "/c:/", "C:/"},
		{"file:///cd:/x", "/cd:/x", ""},
		{"file:///c:x", "/c:x", ""},
		{"file://server/share/x%20y", "", "//server/share/x y"},
		{"file:////server/share/x", "//server/share/x", "//server/share/x"},
		{"file://ser%2Fver/share/x", "", ""},
		{"file://ser%zz/share/x", "", ""},
		{"file:////", "//", ""},
		{"file:////C:/x", "//C:/x", ""},
		{"http://localhost/x", "", ""},
		{"untitled:Untitled-1", "", ""},
		{"vscode-remote://ssh/home/me", "", ""},
		{"/home/me", "", ""},
		{`c:\x`, "", ""},
		{"file:x", "", ""},
		{"file:", "", ""},
		{"file://", "", ""},
		{"", "", ""},
		{"file:///a%2", "", ""},
		{"file:///a%zz", "", ""},
		{"file:///a%00b", "", ""},
		{"file:///a?b", "", ""},
		{"file:///a#L1", "", ""},
	} {
		for _, windows := range []bool{false, true} {
			want := c.unix
			if windows {
				want = c.windows
			}
			got, err := parseURI(c.uri, windows)
			var bad *URIError
			if got != want || (want == "") != errors.As(err, &bad) {
				t.Errorf("%s (windows: %v): %q, %v, want %q", c.uri, windows, got, err, want)
			}
		}
	}
}

func TestFormatURI(t *testing.T) {
	for _, c := range []struct {
		path    string
		windows bool
		want    string
	}{
		{"/home/me/a.go", false, "file:///home/me/a.go"},
		{"/a b/ä?#%:@", false, "file:///a%20b/%C3%A4%3F%23%25%3A%40"},
		{"/", false, "file:///"},
		{"C:/x/y:z", true, "file:///C:/x/y%3Az"},
		{"//server/share/x", true, "file://server/share/x"},
	} {
		if got := formatURI(c.path, c.windows); got != c.want {
			t.Errorf("formatURI(%s) = %s, want %s", c.path, got, c.want)
		}
		if back, err := parseURI(c.want, c.windows); err != nil || back != c.path {
			t.Errorf("%s leads to %q, %v", c.want, back, err)
		}
	}
}

func TestFromURICleans(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("paths of Unix")
	}
	for uri, want := range map[string]string{
		"file:///a/b/../c/":      "/a/c",
		"file:///a/%2e%2e/b//c/": "/b/c",
		"file:////a":             "/a",
	} {
		if got, err := FromURI(uri); err != nil || got != want {
			t.Errorf("FromURI(%s) = %q, %v, want %q", uri, got, err, want)
		}
	}
}

func FuzzFromURI(f *testing.F) {
	for _, s := range []string{"file:///a%20b", "file:///c%3A/x", "file://host/x", "file:///%", "untitled:x", "file:/a//..//b", "file:///\x80%80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, windows := range []bool{false, true} {
			path, err := parseURI(s, windows)
			if err != nil {
				continue
			}
			if strings.ContainsRune(path, 0) {
				t.Errorf("%q gave a path with a zero byte", s)
			}
			again, err := parseURI(formatURI(path, windows), windows)
			// On Unix a path may begin with two slashes; in a URI that is a host's place.
			if err != nil || strings.TrimLeft(again, "/") != strings.TrimLeft(path, "/") {
				t.Errorf("%q gave %q, whose URI %s gives %q, %v", s, path, formatURI(path, windows), again, err)
			}
		}
		path, err := FromURI(s)
		if err == nil && (!filepath.IsAbs(path) || filepath.Clean(path) != path) {
			t.Errorf("%q gave %q", s, path)
		}
		if err == nil {
			if again, err := FromURI(ToURI(path)); err != nil || again != path {
				t.Errorf("%q gave %q, whose URI %s gives %q, %v", s, path, ToURI(path), again, err)
			}
		}
		if runtime.GOOS != "windows" && !strings.ContainsRune(s, 0) {
			path := filepath.Clean("/" + s)
			if again, err := FromURI(ToURI(path)); err != nil || again != path {
				t.Errorf("%q has the URI %s, which gives %q, %v", path, ToURI(path), again, err)
			}
		}
	})
}
