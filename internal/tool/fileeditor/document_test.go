package fileeditor

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestDetect(t *testing.T) {
	const (
		russian  = "Съешь же ещё этих мягких французских булок, да выпей чаю.\n"
		japanese = "これはテストです。日本語の文章を読みます。\nfunc main() {} // コメント\n"
		korean   = "이것은 시험입니다. 한국어 문장을 읽습니다.\n"
		simple   = "这是一个测试文件，我们在这里写一些中文内容。\nfunc main() {} // 注释\n"
		trad     = "這是一個測試檔案，我們在這裡寫一些中文內容。\n"
		western  = "Größe und Überlänge: naïve café, “quoted” – 5 €\n"
	)
	tests := []struct {
		name    string
		charset charset
		mark    string
		text    string
	}{
		{"empty", utf8Charset, "", ""},
		{"ASCII", utf8Charset, "", "plain\n"},
		{"UTF-8", utf8Charset, "", russian + japanese},
		{"UTF-8 with a mark", utf8Charset, "\xef\xbb\xbf", western},
		{"only a mark", utf8Charset, "\xef\xbb\xbf", ""},
		{"escape sequences", utf8Charset, "", "\x1b[31mred\x1b[0m\b\f\v\n"},
		{"UTF-16LE with a mark", utf16LE, "\xff\xfe", western},
		{"UTF-16BE with a mark", utf16BE, "\xfe\xff", japanese},
		{"UTF-16LE", utf16LE, "", western},
		{"UTF-16BE", utf16BE, "", western},
		{"UTF-32LE", utf32LE, "\xff\xfe\x00\x00", western},
		{"UTF-32BE", utf32BE, "\x00\x00\xfe\xff", western},
		{"windows-1252", windows1252, "", western},
		{"windows-1251", windows1251, "", russian},
		{"KOI8-R", koi8r, "", russian},
		{"Shift_JIS", shiftJIS, "", japanese},
		{"EUC-JP", eucJP, "", japanese},
		{"EUC-KR", eucKR, "", korean},
		{"GB18030", gb18030, "", simple},
		{"Big5", big5, "", trad},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, err := tt.charset.encode(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			data := append([]byte(tt.mark), body...)
			d, err := parse(data)
			if err != nil {
				t.Fatal(err)
			}
			if d.charset.name != tt.charset.name || string(d.bom) != tt.mark || d.raw != tt.text {
				t.Errorf("got %s, mark %q, text %q", d.charset.name, d.bom, d.raw)
			}
			if again, err := d.bytes(); err != nil || !bytes.Equal(again, data) {
				t.Errorf("written again: %q, %v", again, err)
			}
		})
	}
}

func TestDetectOther(t *testing.T) {
	tests := []struct {
		name, data, charset string
	}{
		{"mostly UTF-8", "é è à ü ö\n\xff\n", "UTF-8"},
		{"bytes that windows-1252 lacks", "\x80\x81\x8d\x8f\x90\x9d \xff", "ISO-8859-1"},
		{"a zero late", strings.Repeat("a", 2000) + "\x00", "UTF-8"},
		{"PNG", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", ""},
		{"ELF", "\x7fELF\x02\x01\x01\x00", ""},
		{"zeros", strings.Repeat("\x00", 64), ""},
		{"an odd UTF-16", "a\x00b\x00c", ""},
		{"control characters", strings.Repeat("\x01\x02ab", 50), ""},
		{"noise", strings.Repeat("\x01\xfe\xb7\x9ca", 50), ""},
		{"unpaired surrogate", "\xff\xfea\x00\x00\xd8", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := parse([]byte(tt.data))
			if tt.charset == "" {
				if !errors.Is(err, errBinary) {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil || d.charset.name != tt.charset {
				t.Fatalf("got %+v, %v", d, err)
			}
			if again, err := d.bytes(); err != nil || string(again) != tt.data {
				t.Errorf("written again: %q, %v", again, err)
			}
		})
	}
}

func TestReplace(t *testing.T) {
	tests := []struct{ name, raw, old, new, want string }{
		{"LF", "a\nb\nc\n", "b", "x\ny", "a\nx\ny\nc\n"},
		{"CRLF", "a\r\nb\r\nc\r\n", "b", "x\ny", "a\r\nx\r\ny\r\nc\r\n"},
		{"CR", "a\rb\rc\r", "b\n", "x\ny\n", "a\rx\ry\rc\r"},
		{"CRLF across lines", "a\r\nb\r\nc\r\n", "a\nb\n", "z\n", "z\r\nc\r\n"},
		{"CRLF in the new text", "a\nb\n", "b", "x\r\ny", "a\nx\ny\n"},
		{"mixed: as the line before", "a\r\nb\nc\n", "b", "x\ny", "a\r\nx\r\ny\nc\n"},
		{"mixed: as the line replaced", "a\r\nb\nc\n", "b\n", "x\ny\n", "a\r\nx\ny\nc\n"},
		{"mixed: lines that stay keep theirs", "a\r\nb\nc\r\nd\n", "a\nb\nc\nd\n", "a\nB\nc\nD\n", "a\r\nB\nc\r\nD\n"},
		{"mixed: a line less", "a\r\nb\nc\r\nd\n", "b\nc\n", "c\n", "a\r\nc\r\nd\n"},
		{"CR and LF do not melt", "a\rxx\nb\r\n", "xx", "", "a\r\n\nb\r\n"},
		{"no line at all", "abc", "b", "\n", "a\nc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := parse([]byte(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			at := strings.Index(d.text, tt.old)
			wantText := strings.Replace(d.text, tt.old, unify(tt.new), 1)
			d.replace(at, at+len(tt.old), tt.new)
			if d.raw != tt.want {
				t.Errorf("got %q, want %q", d.raw, tt.want)
			}
			if d.text != wantText {
				t.Errorf("text %q, want %q", d.text, wantText)
			}
		})
	}
}

func TestInsertAfter(t *testing.T) {
	tests := []struct {
		name, raw string
		line      int
		text      string
		want      string
	}{
		{"top", "a\nb\n", 0, "x\n", "x\na\nb\n"},
		{"middle", "a\nb\n", 1, "x\ny\n", "a\nx\ny\nb\n"},
		{"end", "a\nb\n", 2, "x\n", "a\nb\nx\n"},
		{"end without a line break", "a\nb", 2, "x\n", "a\nb\nx\n"},
		{"end without a CRLF", "a\r\nb", 2, "x\n", "a\r\nb\r\nx\r\n"},
		{"one line without a break", "a", 1, "x\n", "a\nx\n"},
		{"empty", "", 0, "x\n", "x\n"},
		{"CRLF", "a\r\nb\r\n", 1, "x\ny\n", "a\r\nx\r\ny\r\nb\r\n"},
		{"top of CRLF", "a\r\nb\r\n", 0, "x\n", "x\r\na\r\nb\r\n"},
		{"mixed", "a\nb\r\nc\n", 2, "x\n", "a\nb\r\nx\r\nc\n"},
		{"after a lone CR", "a\rb\n", 1, "x\n", "a\rx\rb\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := parse([]byte(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			d.insertAfter(tt.line, tt.text)
			if d.raw != tt.want {
				t.Errorf("got %q, want %q", d.raw, tt.want)
			}
		})
	}
}

func TestUnencodable(t *testing.T) {
	d, err := parse([]byte("caf\xe9\n"))
	if err != nil {
		t.Fatal(err)
	}
	d.replace(0, 1, "→")
	_, err = d.bytes()
	if err == nil || !strings.Contains(err.Error(), "windows-1252") || !strings.Contains(err.Error(), "U+2192") {
		t.Errorf("error %v", err)
	}
}
