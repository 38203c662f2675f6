package scripted

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// RecordOptions say what is written to a recording and what is kept out of it.
// The zero value will do.
type RecordOptions struct {
	// Model is the model's name, which is written with each call; it may be "".
	Model string
	// Mask hides the secrets of a text; nil keeps every text as it is.
	Mask func(string) string
	// Workspace, an absolute path, is written as ${workspace}, so that the
	// recording plays in another folder.
	Workspace string
	// Log is told when the file can't be written; nil discards.
	Log *slog.Logger
}

// Record gives a model that does what model does and appends each call to the
// file at path: a line for each, which is an answer of a script, together with
// what was asked. Of a history only what is new since the call before is
// written. The file is made readable by its owner only; a line is written at
// once, so a process that is killed loses only the call it was in. A file that
// can't be written never fails a call.
func Record(model llm.Model, path string, opts RecordOptions) llm.Model {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &recorder{model: model, path: path, opts: opts, seen: map[string][]fingerprint{}}
}

type fingerprint [sha256.Size]byte

type recorder struct {
	model llm.Model
	path  string
	opts  RecordOptions

	mu   sync.Mutex
	seen map[string][]fingerprint // the messages of each conversation's last request
}

// requestRecord is what is written of a request.
type requestRecord struct {
	Conversation string     `json:"conversation,omitempty"`
	Messages     int        `json:"messages"`
	Answers      int        `json:"answers,omitempty"` // assistant messages
	Last         event.Role `json:"last,omitempty"`
	Hash         string     `json:"hash,omitempty"`
	Tools        []string   `json:"tools,omitempty"`
	// Same is how many messages are those of the request before; New are the
	// others.
	Same int                `json:"same,omitempty"`
	New  []event.LLMMessage `json:"new,omitempty"`
}

// Complete implements [llm.Model].
func (r *recorder) Complete(ctx context.Context, req *llm.Request, stream func(llm.Chunk)) (*llm.Response, error) {
	t := take{last: time.Now()}
	watched := stream
	if stream != nil {
		watched = func(c llm.Chunk) {
			t.chunk(c)
			stream(c)
		}
	}
	start := t.last
	response, err := r.model.Complete(ctx, req, watched)
	if len(t.chunks) == 0 {
		t.latency = time.Since(start)
	} else {
		t.rest = time.Since(t.last)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if werr := r.write(req, r.entry(&t, response, err)); werr != nil {
		r.opts.Log.Warn("the recording was not written", "error", werr)
	}
	return response, err
}

// take is what was seen of an answer while it came.
type take struct {
	last    time.Time
	latency time.Duration // of an answer without chunks
	rest    time.Duration
	chunks  []chunk
	partial event.LLMMessage
}

func (t *take) chunk(c llm.Chunk) {
	now := time.Now()
	after := ms(now.Sub(t.last))
	t.last = now
	t.chunks = append(t.chunks, chunk{Stream: c.Stream, Size: len(c.Text), After: after, Call: c.CallIndex})
	switch c.Stream {
	case llm.StreamReasoning:
		t.partial.ReasoningContent += c.Text
	case llm.StreamText:
		t.partial.Content = []event.Content{event.Text(t.partial.Text() + c.Text)}
	case llm.StreamArgs:
		if c.CallIndex < 0 || c.CallIndex > len(t.partial.ToolCalls) {
			t.chunks = t.chunks[:len(t.chunks)-1]
			return
		}
		if c.CallIndex == len(t.partial.ToolCalls) {
			t.partial.ToolCalls = append(t.partial.ToolCalls, event.ToolCall{ID: c.CallID, Name: c.CallName})
		}
		t.partial.ToolCalls[c.CallIndex].Arguments += c.Text
	}
}

// ms is in milliseconds, to a tenth: finer is noise.
func ms(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Millisecond)
}

// entry makes the script's answer of what happened.
func (r *recorder) entry(t *take, response *llm.Response, err error) *entry {
	e := &entry{Time: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), Model: r.opts.Model, Chunks: t.chunks, Rest: ms(t.rest)}
	if latency := ms(t.latency); latency > 0 {
		e.Latency = &latency
	}
	msg := &t.partial
	var failed *llm.Error
	switch {
	case err == nil && response != nil:
		msg = &response.Message
		e.ID = response.ID
		e.FinishReason = response.FinishReason
		if response.Usage != (llm.Usage{}) {
			u := usage(response.Usage)
			e.Usage = &u
		}
	case errors.As(err, &failed):
		e.Error = encode(failure{
			Kind:        failed.Kind,
			Status:      failed.Status,
			Message:     r.clean(failed.Message),
			RetryAfter:  failed.RetryAfter.Seconds(),
			Setting:     failed.Setting,
			AfterChunks: len(t.chunks),
		})
	default:
		// Cancelled: what plays it must be cancelled too.
		e.Wait = "forever"
	}
	if text := r.clean(msg.Text()); text != "" || err == nil {
		e.Text = &text
	}
	e.Reasoning = r.clean(msg.ReasoningContent)
	for _, b := range msg.ThinkingBlocks {
		b.Thinking = r.clean(b.Thinking)
		e.Thinking = append(e.Thinking, encode(b))
	}
	for _, c := range msg.ToolCalls {
		e.Calls = append(e.Calls, encode(struct {
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
			ID        string          `json:"id,omitempty"`
		}{c.Name, arguments(r.cleanJSON(c.Arguments)), c.ID}))
	}
	// A call that was cut short in its chunks only has a smaller message.
	e.Chunks = fitting(e.Chunks, len(e.Calls))
	return e
}

// fitting drops chunks of calls that the message does not have.
func fitting(chunks []chunk, calls int) []chunk {
	for i := range chunks {
		if chunks[i].check(calls) != nil {
			kept := chunks[:0:0]
			for _, c := range chunks {
				if c.check(calls) == nil {
					kept = append(kept, c)
				}
			}
			return kept
		}
	}
	return chunks
}

// arguments gives an object as it is, where that brings back the same bytes,
// else a string.
func arguments(raw string) json.RawMessage {
	var compact bytes.Buffer
	if strings.HasPrefix(raw, "{") && json.Compact(&compact, []byte(raw)) == nil && compact.String() == raw {
		return json.RawMessage(raw)
	}
	return quote(raw)
}

// encode writes what always encodes.
func encode(v any) json.RawMessage {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // strings, numbers and JSON made here
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// write appends the call to the file.
func (r *recorder) write(req *llm.Request, e *entry) error {
	e.Request = r.request(req)
	if want := purposeOf(req); want != forStep {
		e.For = want
	}
	if err := os.MkdirAll(filepath.Dir(r.path), 0o700); err != nil {
		return fmt.Errorf("making the folder of the recording: %w", err)
	}
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the recording: %w", err)
	}
	line := append(encode(e), '\n')
	if !endsLine(f) {
		line = append([]byte{'\n'}, line...)
	}
	_, err = f.Write(line)
	return errors.Join(err, f.Close())
}

// endsLine tells whether a file is empty or ends with a line break; a process
// that was killed may have left half a line.
func endsLine(f *os.File) bool {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return true
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], size-1)
	return err != nil || last[0] == '\n'
}

// request makes the record of a request.
func (r *recorder) request(req *llm.Request) *requestRecord {
	rec := &requestRecord{
		Conversation: req.CacheKey,
		Messages:     len(req.Messages),
		Answers:      momentOf(req.Messages).answers,
	}
	if n := len(req.Messages); n > 0 {
		rec.Last = req.Messages[n-1].Role
		rec.Hash = hashText(r.clean(req.Messages[n-1].Text()))
	}
	for i := range req.Tools {
		rec.Tools = append(rec.Tools, req.Tools[i].Name)
	}
	key := req.CacheKey + "/" + string(purposeOf(req))
	before := r.seen[key]
	prints := make([]fingerprint, len(req.Messages))
	for i := range req.Messages {
		prints[i] = sha256.Sum256(encode(req.Messages[i]))
		if i == rec.Same && i < len(before) && before[i] == prints[i] {
			rec.Same++
		}
	}
	r.seen[key] = prints
	for i := rec.Same; i < len(req.Messages); i++ {
		rec.New = append(rec.New, r.cleanMessage(req.Messages[i]))
	}
	return rec
}

func (r *recorder) cleanMessage(m event.LLMMessage) event.LLMMessage {
	content := make([]event.Content, len(m.Content))
	for i, c := range m.Content {
		c.Text = r.clean(c.Text)
		if c.Type == "image" {
			c.ImageURLs = []string{fmt.Sprintf("%d images left out", len(c.ImageURLs))}
		}
		content[i] = c
	}
	m.Content = content
	m.ReasoningContent = r.clean(m.ReasoningContent)
	thinking := make([]event.Thinking, len(m.ThinkingBlocks))
	for i, t := range m.ThinkingBlocks {
		t.Thinking = r.clean(t.Thinking)
		thinking[i] = t
	}
	m.ThinkingBlocks = thinking
	calls := make([]event.ToolCall, len(m.ToolCalls))
	for i, c := range m.ToolCalls {
		c.Arguments = r.cleanJSON(c.Arguments)
		calls[i] = c
	}
	m.ToolCalls = calls
	m.ResponsesReasoningItem = nil
	return m
}

// clean takes secrets and the workspace's path out of a text.
func (r *recorder) clean(s string) string {
	if r.opts.Mask != nil {
		s = r.opts.Mask(s)
	}
	return withoutWorkspace(s, r.opts.Workspace)
}

// cleanJSON cleans the strings of a JSON text, which an escape may hide from a
// mask, and leaves all else byte by byte.
func (r *recorder) cleanJSON(raw string) string {
	var out strings.Builder
	for i := 0; i < len(raw); {
		if raw[i] != '"' {
			out.WriteByte(raw[i])
			i++
			continue
		}
		literal := raw[i : i+stringEnd([]byte(raw[i:]))]
		i += len(literal)
		var s string
		if json.Unmarshal([]byte(literal), &s) != nil && json.Unmarshal([]byte(literal+`"`), &s) != nil {
			out.WriteString(literal)
		} else if c := r.clean(s); c != s {
			out.Write(quote(c))
		} else {
			out.WriteString(literal)
		}
	}
	return r.clean(out.String())
}

func withoutWorkspace(s, workspace string) string {
	if workspace == "" || workspace == "/" {
		return s
	}
	return strings.ReplaceAll(s, workspace, "${workspace}")
}

func hashText(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
