package rpc

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/face"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// What an editor shares beside text and images is explicit: files, selections
// and diagnostics. Each becomes a text, see [face.Shared].

// contentItem is one item of a list of Content.
type contentItem struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	ImageURLs []string        `json:"image_urls"`
	URL       string          `json:"url"`
	URI       string          `json:"uri"`
	Range     *lspRange       `json:"range"`
	Items     json.RawMessage `json:"items"`
}

type lspRange struct {
	Start lspPosition `json:"start"`
	End   lspPosition `json:"end"`
}

type lspPosition struct {
	Line      int `json:"line"`
	Character int `json:"character"`
}

// lines gives the range's lines, counted from 1, as ":3-9".
func (r *lspRange) lines() string {
	if r == nil {
		return ""
	}
	if r.Start.Line == r.End.Line {
		return fmt.Sprintf(":%d", r.Start.Line+1)
	}
	return fmt.Sprintf(":%d-%d", r.Start.Line+1, r.End.Line+1)
}

func fromContent(raw json.RawMessage) ([]event.Content, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []event.Content{event.Text(text)}, nil
	}
	var items []contentItem
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, invalid("message", err.Error())
	}
	content := make([]event.Content, 0, len(items))
	for i, item := range items {
		c, err := item.content()
		if err != nil {
			return nil, invalid(fmt.Sprintf("message[%d]", i), err.Error())
		}
		content = append(content, c)
	}
	return content, nil
}

func (c *contentItem) content() (event.Content, error) {
	switch c.Type {
	case "text", "":
		return event.Text(c.Text), nil
	case "image":
		urls := c.ImageURLs
		if c.URL != "" {
			urls = append(urls, c.URL)
		}
		if len(urls) == 0 {
			return event.Content{}, fmt.Errorf("image_urls is missing")
		}
		return event.Image(urls...), nil
	case "file", "selection", "diagnostics":
		path, err := workspace.FromURI(c.URI)
		if err != nil {
			return event.Content{}, err
		}
		text := strings.TrimRight(c.Text, "\n")
		if c.Type == "diagnostics" {
			text = string(c.Items)
		}
		return face.Shared(c.Type, path+c.Range.lines(), text), nil
	}
	return event.Content{}, fmt.Errorf("type %q is none of text, image, file, selection, diagnostics", c.Type)
}
