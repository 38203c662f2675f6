package conversation_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
)

func (r *rig) blob(q conversation.BlobQuery) (piece conversation.BlobPiece, err error) {
	r.t.Helper()
	r.manager.Blob("", r.options.ID, q, func(p conversation.BlobPiece, e error) { piece, err = p, e })
	synctest.Wait()
	return piece, err
}

// pieces reads the whole in pieces.
func (r *rig) pieces(blob string, limit int) (whole []byte) {
	r.t.Helper()
	for offset := 0; ; {
		p, err := r.blob(conversation.BlobQuery{Blob: blob, Offset: offset, Limit: limit})
		r.check(err)
		if p.Offset != offset || p.End <= offset && p.Size > 0 || p.End != p.Offset+len(p.Text)+len(p.Data) {
			r.t.Fatalf("asked for %d, got %d to %d of %d", offset, p.Offset, p.End, p.Size)
		}
		whole = append(append(whole, p.Text...), p.Data...)
		if offset = p.End; offset == p.Size {
			return whole
		}
	}
}

func TestBlobs(t *testing.T) {
	text := strings.Repeat("äöü€😀x", 2000)
	for _, open := range []bool{true, false} {
		play(t, conversation.Options{}, func(r *rig) {
			sent := r.ask(text)
			r.answer(say("done"))
			dir := filepath.Join(r.dir(), "observations")
			r.check(os.Mkdir(dir, 0o700))
			binary := bytes.Repeat([]byte{0xff, 'a', 0xc3, 0x00}, 1000)
			r.check(os.WriteFile(filepath.Join(dir, "text.txt"), []byte(text), 0o600))
			r.check(os.WriteFile(filepath.Join(dir, "binary"), binary, 0o600))
			r.check(os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600))
			if !open {
				r.close()
			}
			field := sent.MessageID + "/llm_message/content/0/text"
			for blob, want := range map[string]string{
				field: text, "observations/text.txt": text, "observations/binary": string(binary), "observations/empty": "",
				sent.MessageID + "/kind": "MessageEvent",
			} {
				for _, limit := range []int{1, 3, 7, 4096, 0} {
					if limit < 4096 && len(want) > 100 && blob != "observations/text.txt" {
						continue // one byte at a time is enough once
					}
					if got := r.pieces(blob, limit); string(got) != want {
						t.Errorf("%s by %d: %d bytes, want %d", blob, limit, len(got), len(want))
					}
				}
			}
			// What is asked for in the middle of a character begins with it.
			p, err := r.blob(conversation.BlobQuery{Blob: field, Offset: 1, Limit: 4})
			if err != nil || p.Offset != 0 || p.Text != "äö" || p.Size != len(text) {
				t.Errorf("%+v, %v", p, err)
			}
			for field, q := range map[string]conversation.BlobQuery{
				"offset":  {Blob: field, Offset: len(text) + 1},
				"offset ": {Blob: field, Offset: -1},
				"limit":   {Blob: field, Limit: -1},
				"limit ":  {Blob: field, Limit: conversation.MaxPiece + 1},
			} {
				var value *conversation.ValueError
				if _, err := r.blob(q); !errors.As(err, &value) || value.Field != strings.TrimSpace(field) {
					t.Errorf("%+v: %v", q, err)
				}
			}
			for _, blob := range []string{
				"", "/", field + "/x", sent.MessageID, sent.MessageID + "/llm_message", uuid.NewString() + "/kind", "observations", "observations/",
				"observations/..", "observations/../base_state.json", "../" + r.options.ID, "base_state.json", "agent_rpc.json", "events/x",
				"observations/none", "/etc/passwd", "observations//etc/passwd", `observations\..\base_state.json`,
			} {
				var value *conversation.ValueError
				if p, err := r.blob(conversation.BlobQuery{Blob: blob}); !errors.As(err, &value) || value.Field != "blob" {
					t.Errorf("%q: %+v, %v", blob, p, err)
				}
			}
		})
	}
	prepared(t, func(r *rig) {
		r.options.ID = uuid.NewString()
		if _, err := r.blob(conversation.BlobQuery{Blob: "x/y"}); !errors.Is(err, conversation.ErrNotFound) {
			t.Error(err)
		}
		r.options.ID = "../x"
		var value *conversation.ValueError
		if _, err := r.blob(conversation.BlobQuery{Blob: "x/y"}); !errors.As(err, &value) || value.Field != "id" {
			t.Error(err)
		}
	})
}

// Pieces of anything, of any length, make the whole.
func TestPiecesMakeTheWhole(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.Context(), dir, conversation.Options{})
		defer r.end()
		r.create()
		observations := filepath.Join(r.dir(), "observations")
		r.check(os.Mkdir(observations, 0o700))
		rapid.Check(bubbled{t}, func(rt *rapid.T) {
			var data []byte
			for _, part := range rapid.SliceOf(rapid.OneOf(rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }), rapid.SliceOf(rapid.Byte()))).Draw(rt, "data") {
				data = append(data, part...)
			}
			r.check(os.WriteFile(filepath.Join(observations, "f"), data, 0o600))
			got := r.pieces("observations/f", rapid.IntRange(1, 20).Draw(rt, "limit"))
			if !bytes.Equal(got, data) {
				rt.Errorf("%q became %q", data, got)
			}
			p, err := r.blob(conversation.BlobQuery{Blob: "observations/f"})
			if err != nil || (p.Data == nil) != utf8.Valid(data) {
				rt.Errorf("%q is %+v, %v", data, p, err)
			}
		})
	})
}

// The form for a limit is made once, for all who follow.
func TestCutIsMadeOnce(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		var forms [][]byte
		for range 2 {
			r.check(r.c.Subscribe(&cutter{r.rec, func(b []byte) { forms = append(forms, b) }}, conversation.Since{}, func(conversation.Opened, error) {}))
		}
		synctest.Wait()
		r.ask(strings.Repeat("x", 5000))
		r.answer(say("done"))
		n := 0
		for i := 0; i+1 < len(forms); i += 2 {
			if &forms[i][0] != &forms[i+1][0] {
				t.Errorf("two forms of one event: %s", forms[i])
			}
			if bytes.Contains(forms[i], []byte(`"blob"`)) {
				n++
			}
		}
		if len(forms) != 6 || n != 1 {
			t.Errorf("%d events, %d cut", len(forms)/2, n)
		}
	})
}

// cutter takes events as a client with a limit does.
type cutter struct {
	conversation.Observer
	got func([]byte)
}

func (c *cutter) Event(_ int, r conversation.Record) { c.got(r.Cut(1000)) }
func (*cutter) State(conversation.Info, bool)        {}
func (*cutter) Started(string)                       {}
func (*cutter) Ended(conversation.Outcome)           {}
