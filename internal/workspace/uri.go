package workspace

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// URIError says that a URI is no path on this machine.
type URIError struct {
	URI string
	// Reason completes "the URI …".
	Reason string
}

func (e *URIError) Error() string { return fmt.Sprintf("%s: the URI %s", e.URI, e.Reason) }

// FromURI gives the absolute, cleaned path of a file: URI (RFC 8089). Any other
// scheme, a host (but for UNC paths on Windows), a query, a fragment and a wrong
// escape are a [URIError]. It takes what clients make of the same path: drive
// letters in upper and lower case, their colon escaped or not, characters
// escaped or raw.
func FromURI(uri string) (string, error) {
	path, err := parseURI(uri, runtime.GOOS == "windows")
	if err != nil {
		return "", err
	}
	return filepath.Clean(filepath.FromSlash(path)), nil
}

// ToURI gives an absolute path as a file: URI with all but letters, digits and
// "-._~/" escaped, and the colon of a drive letter.
func ToURI(path string) string {
	return formatURI(filepath.ToSlash(filepath.Clean(path)), runtime.GOOS == "windows")
}

// parseURI gives the path with slashes: "/x", "C:/x", "//host/share/x".
func parseURI(uri string, windows bool) (string, error) {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || !strings.EqualFold(scheme, "file") {
		return "", &URIError{URI: uri, Reason: "has another scheme than file:"}
	}
	if strings.ContainsAny(rest, "?#") {
		return "", &URIError{URI: uri, Reason: "has a query or a fragment; in a name ? is %3F and # is %23"}
	}
	host := ""
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		host, rest = after, ""
		if i := strings.IndexByte(after, '/'); i >= 0 {
			host, rest = after[:i], after[i:]
		}
	}
	path, ok := unescape(rest)
	if !ok {
		return "", &URIError{URI: uri, Reason: "has a % that no two hex digits follow"}
	}
	if strings.ContainsRune(path, 0) {
		return "", &URIError{URI: uri, Reason: "has a zero byte"}
	}
	if !strings.HasPrefix(path, "/") {
		return "", &URIError{URI: uri, Reason: "has no absolute path"}
	}
	if strings.EqualFold(host, "localhost") {
		host = ""
	}
	if !windows {
		if host != "" {
			return "", &URIError{URI: uri, Reason: "names another machine"}
		}
		return path, nil
	}
	path = strings.ReplaceAll(path, `\`, "/")
	if host == "" && strings.HasPrefix(path, "//") {
		// file:////host/share, an old way to write UNC.
		host, path, _ = strings.Cut(strings.TrimLeft(path, "/"), "/")
		path = "/" + path
	} else if host, ok = unescape(host); !ok {
		return "", &URIError{URI: uri, Reason: "has a host that is none"}
	}
	switch {
	case strings.ContainsAny(host, "\x00/\\:"):
		return "", &URIError{URI: uri, Reason: "has a host that is none"}
	case host != "":
		return "//" + host + path, nil
	case len(path) >= 3 && isLetter(path[1]) && (path[2] == ':' || path[2] == '|') && (len(path) == 3 || path[3] == '/'):
		return strings.ToUpper(path[1:2]) + ":/" + strings.TrimPrefix(path[3:], "/"), nil
	}
	return "", &URIError{URI: uri, Reason: "has no drive letter"}
}

// formatURI takes a path with slashes.
func formatURI(path string, windows bool) string {
	var b strings.Builder
	b.WriteString("file://")
	if windows {
		if unc, ok := strings.CutPrefix(path, "//"); ok {
			path = unc
		} else {
			b.WriteByte('/')
		}
	}
	for i := range len(path) {
		c := path[i]
		if isLetter(c) || '0' <= c && c <= '9' || strings.IndexByte("-._~/", c) >= 0 || windows && c == ':' && i == 1 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high, ok1 := unhex(s[i+1])
		low, ok2 := unhex(s[i+2])
		if !ok1 || !ok2 {
			return "", false
		}
		b = append(b, high<<4|low)
		i += 2
	}
	return string(b), true
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
