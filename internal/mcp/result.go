package mcp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// Observation is OpenHands' MCPToolObservation.
type Observation struct {
	tool.Result
	ToolName string `json:"tool_name"`
}

const (
	// maxText bounds the text of a result, in characters, maxBlocks its parts.
	maxText   = 50_000
	maxBlocks = 200
	// maxImage bounds an image, in bytes, and maxImages how many there are.
	maxImage  = 5 << 20
	maxImages = 10
)

// resultOf makes of what a server answered what the model reads. dir, if not
// empty, takes texts that are too long; mask hides secrets in them.
func resultOf(name string, r *sdk.CallToolResult, dir string, mask func(string) string) tool.Result {
	b := builder{truncation: tool.Truncation{Dir: dir, Prefix: "mcp"}, mask: mask, left: maxText}
	for i, c := range r.Content {
		if i == maxBlocks {
			b.text(fmt.Sprintf("[%d more parts of the result were left out]", len(r.Content)-i))
			break
		}
		b.content(c)
	}
	b.structured(r)
	if len(b.out) == 0 {
		b.text("[" + name + " gave no output]")
	}
	return tool.Result{Content: b.out, IsError: r.IsError}
}

type builder struct {
	truncation tool.Truncation
	mask       func(string) string
	out        []event.Content
	left       int
	images     int
}

func (b *builder) text(text string) {
	if b.left <= 0 {
		return
	}
	b.truncation.Limit = b.left
	if b.mask != nil && utf8.RuneCountInString(text) > b.left {
		text = b.mask(text) // it is written to a file
	}
	text = b.truncation.Apply(strings.ToValidUTF8(text, "\uFFFD"))
	if b.left -= utf8.RuneCountInString(text); b.left <= 0 {
		b.left = 0
	}
	b.out = append(b.out, event.Text(text))
}

func (b *builder) content(c sdk.Content) {
	switch c := c.(type) {
	case *sdk.TextContent:
		b.text(c.Text)
	case *sdk.ImageContent:
		b.image(c.MIMEType, c.Data)
	case *sdk.AudioContent:
		b.text(fmt.Sprintf("[audio, %s, %d bytes: it can't be shown here]", c.MIMEType, len(c.Data)))
	case *sdk.ResourceLink:
		text := fmt.Sprintf("[resource %s: %s]", c.Name, c.URI)
		if c.Description != "" {
			text += " " + c.Description
		}
		b.text(text)
	case *sdk.EmbeddedResource:
		b.resource(c.Resource)
	default:
		b.text("[a part of the result has a type that is not known here]")
	}
}

func (b *builder) image(mime string, data []byte) {
	switch {
	case !strings.HasPrefix(mime, "image/"):
		b.text(fmt.Sprintf("[an image of type %q was left out]", mime))
	case len(data) > maxImage:
		b.text(fmt.Sprintf("[an image of %d bytes was left out: at most %d are shown]", len(data), maxImage))
	case b.images == maxImages:
		b.text("[an image was left out: there are too many]")
	default:
		b.images++
		b.out = append(b.out, event.Image("data:"+mime+";base64,"+base64.StdEncoding.EncodeToString(data)))
	}
}

func (b *builder) resource(r *sdk.ResourceContents) {
	switch {
	case r == nil:
	case strings.HasPrefix(r.MIMEType, "image/") && len(r.Blob) > 0:
		b.image(r.MIMEType, r.Blob)
	case len(r.Blob) > 0:
		b.text(fmt.Sprintf("[resource %s, %s, %d bytes: it is no text]", r.URI, r.MIMEType, len(r.Blob)))
	default:
		b.text("[resource " + r.URI + "]\n" + r.Text)
	}
}

// structured adds the structured content, unless a text says the same already, as
// servers should have it.
func (b *builder) structured(r *sdk.CallToolResult) {
	if r.StructuredContent == nil {
		return
	}
	raw, err := json.Marshal(r.StructuredContent)
	if err != nil {
		return // what was decoded encodes
	}
	var want any
	_ = json.Unmarshal(raw, &want) // it was encoded above
	for _, c := range r.Content {
		t, ok := c.(*sdk.TextContent)
		if !ok {
			continue
		}
		var got any
		if d := bytes.TrimSpace([]byte(t.Text)); json.Unmarshal(d, &got) == nil && reflect.DeepEqual(got, want) {
			return
		}
	}
	b.text(string(raw))
}
