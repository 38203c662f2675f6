package workspace

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestExcerpt writes pieces of all sizes and compares with the text as a whole.
func TestExcerpt(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		limit := 2 * (1 + r.IntN(10))
		e := newExcerpt(limit)
		var all bytes.Buffer
		for range r.IntN(6) {
			piece := make([]byte, r.IntN(15))
			for i := range piece {
				piece[i] = byte('a' + r.IntN(26))
			}
			all.Write(piece)
			if n, err := e.Write(piece); n != len(piece) || err != nil {
				t.Fatalf("Write gave %d, %v", n, err)
			}
		}
		want := all.String()
		if over := len(want) - limit; over > 0 {
			want = want[:limit/2] + fmt.Sprintf("\n[… %d bytes left out …]\n", over) + want[len(want)-limit/2:]
		}
		if got := e.String(); got != want {
			t.Fatalf("limit %d: got %q, want %q", limit, got, want)
		}
	}
}
