package fileeditor

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the encoding and the line endings of a file: an edit changes the text
// as the model asked, every byte outside it stays, and undo gives the file back
// byte for byte.
func TestEditAndUndoProperty(t *testing.T) {
	f := newFixture(t, Options{})
	type coded struct {
		charset  charset
		mark     string
		alphabet string
	}
	codes := []coded{
		{utf8Charset, "", "abc é→日\t"},
		{utf8Charset, "\xef\xbb\xbf", "abc é→日\t"},
		{utf16LE, "\xff\xfe", "abc é→日😀"},
		{utf16BE, "\xfe\xff", "abc é→日😀"},
		{utf32LE, "\xff\xfe\x00\x00", "abc é→日😀"},
		{latin1, "", "abc é"},
		{windows1252, "", "abc é€"},
	}
	rapid.Check(t, func(rt *rapid.T) {
		c := rapid.SampledFrom(codes).Draw(rt, "encoding")
		letters := rapid.StringOfN(rapid.SampledFrom([]rune(c.alphabet)), 0, 6, -1)
		eol := rapid.SampledFrom(rapid.SampledFrom([][]string{{"\n"}, {"\r\n"}, {"\r"}, {"\n", "\r\n"}, {"\n", "\r\n", "\r"}}).Draw(rt, "endings"))
		var raw strings.Builder
		for range rapid.IntRange(1, 8).Draw(rt, "lines") {
			raw.WriteString(letters.Draw(rt, "line"))
			if rapid.Bool().Draw(rt, "ended") {
				raw.WriteString(eol.Draw(rt, "eol"))
			}
		}
		body, err := c.charset.encode(raw.String())
		if err != nil {
			rt.Fatal(err)
		}
		content := c.mark + string(body)
		doc, err := parse([]byte(content))
		if err != nil || doc.text == "" {
			rt.Skip("no text")
		}
		runes := []rune(doc.text)
		from := rapid.IntRange(0, len(runes)-1).Draw(rt, "from")
		to := rapid.IntRange(from+1, len(runes)).Draw(rt, "to")
		old := string(runes[from:to])
		replacement := strings.Join(rapid.SliceOfN(rapid.StringOfN(rapid.SampledFrom([]rune("abc ")), 0, 4, -1), 1, 4).Draw(rt, "new"), "\n")
		if strings.Count(doc.text, old) != 1 || old == replacement || doc.charset.enc == nil && strings.ContainsRune(old, '\uFFFD') {
			rt.Skip("no edit")
		}
		f.write("f", content)
		obs, text := f.run(args{"command": "str_replace", "path": "f", "old_str": old, "new_str": replacement})
		if obs.IsError {
			rt.Fatal(text)
		}
		changed := f.read("f")
		want := strings.Replace(doc.text, old, replacement, 1)
		again, err := doc.charset.decode([]byte(changed)[len(doc.bom):])
		if err != nil || unify(again) != want || !strings.HasPrefix(changed, string(doc.bom)) {
			rt.Fatalf("text %q, want %q (%v)", unify(again), want, err)
		}
		at := strings.Index(doc.text, old)
		before, after := doc.raw[:doc.rawOffset(at)], doc.raw[doc.rawOffset(at+len(old)):]
		if !strings.HasPrefix(again, strings.TrimSuffix(before, "\r")) || !strings.HasSuffix(again, after) {
			rt.Fatalf("%q lost what stands around the edit of %q", again, doc.raw)
		}
		if obs, text := f.run(args{"command": "undo_edit", "path": "f"}); obs.IsError || f.read("f") != content {
			rt.Fatalf("undo: %s: %q, was %q", text, f.read("f"), content)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "a\r\nb\rc\n", "\xff\xfea\x00", "caf\xe9", "\x00\x00\xfe\xff", "\xef\xbb\xbf", "\x82\xa0\x82\xa2"} {
		f.Add([]byte(seed), uint(1), uint(2), "x\ny")
	}
	f.Fuzz(func(t *testing.T, data []byte, from, to uint, replacement string) {
		d, err := parse(data)
		if err != nil {
			return
		}
		if again, err := d.bytes(); err != nil || string(again) != string(data) {
			t.Fatalf("%s: %q became %q (%v)", d.charset.name, data, again, err)
		}
		n := uint(len(d.text)) + 1
		start, end := from%n, to%n
		if start > end {
			start, end = end, start
		}
		want := d.text[:start] + unify(replacement) + d.text[end:]
		d.replace(int(start), int(end), replacement)
		if d.text != want {
			t.Fatalf("got %q, want %q", d.text, want)
		}
	})
}
