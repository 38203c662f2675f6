package store

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// bench10k makes a conversation of 10,000 events of 1 KB.
func bench10k(b *testing.B) (base string) {
	b.Helper()
	base = b.TempDir()
	events := makeEvents(b, base)
	pad := strings.Repeat("x", 900)
	for i := range 10_000 {
		raw := fmt.Sprintf(`{"id":"%s","timestamp":"2026-01-02T03:04:05.000006","source":"agent","text":"%s","kind":"MessageEvent"}`, eventID(i), pad)
		writeTest(b, filepath.Join(events, eventName(i, eventID(i))), raw)
	}
	return base
}

func BenchmarkOpen10k(b *testing.B) {
	base := bench10k(b)
	for b.Loop() {
		s, err := Open(base, convID, ReadWrite)
		if err != nil || s.Len() != 10_000 {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkReadAll10k(b *testing.B) {
	s := mustOpen(b, bench10k(b))
	for b.Loop() {
		n := 0
		for _, err := range s.Range(0, s.Len()) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 10_000 {
			b.Fatal(n)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("after%d", size), func(b *testing.B) {
			base := b.TempDir()
			if size > 0 {
				base = bench10k(b)
			}
			s := mustOpen(b, base)
			raw := []byte(`"` + strings.Repeat("x", 1000) + `"`)
			for b.Loop() {
				if _, err := s.Append(eventID(s.Len()), raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSaveState(b *testing.B) {
	s := mustOpen(b, b.TempDir())
	raw := []byte(`"` + strings.Repeat("x", 10_000) + `"`)
	for b.Loop() {
		if err := s.SaveState(raw); err != nil {
			b.Fatal(err)
		}
	}
}
