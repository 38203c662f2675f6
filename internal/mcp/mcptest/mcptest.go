// Package mcptest is MCP servers for tests, those that behave and those that don't.
// It is for tests only.
package mcptest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Variable makes a test binary that calls [Main] a server over stdio.
const Variable = "MCP_TEST_MODE"

// Main makes this process a server where the variable says so, and does not return
// then. The modes are good; chatty, which prints what is no MCP first; dead, nonsense
// and deaf, which never come up; and family, which has a child and does not end with
// its input.
func Main() {
	switch mode := os.Getenv(Variable); mode {
	case "":
		return
	case "good":
		serve(Server())
	case "chatty":
		fmt.Println("Welcome to the server!")
		fmt.Println(`{"half": `)
		fmt.Fprintln(os.Stderr, "loading")
		serve(Server())
	case "dead":
		fmt.Fprintln(os.Stderr, "no licence")
		os.Exit(3)
	case "nonsense":
		fmt.Println("login:")
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with us
	case "deaf":
		select {} // neither reads nor ends
	case "family":
		// A child that outlives it unless the group is killed.
		child := exec.Command("sleep", "1000")
		if err := child.Start(); err != nil {
			panic(err)
		}
		if err := os.WriteFile(os.Getenv("PIDS"), fmt.Appendf(nil, "%d %d", os.Getpid(), child.Process.Pid), 0o600); err != nil {
			panic(err)
		}
		serve(Server())
		select {} // it does not end with its input
	}
	os.Exit(0)
}

// MaxMessage is what a client takes, in bytes.
const MaxMessage = 16 << 20

func serve(s *sdk.Server) {
	_ = s.Run(context.Background(), &sdk.StdioTransport{}) // ends with its input
}

type echoArgs struct {
	Text string   `json:"text"`
	N    int      `json:"n,omitempty"`
	Tags []string `json:"tags,omitempty"`
}

var echoSchema = json.RawMessage(`{"type":"object","properties":{"text":{"type":"string","description":"what to say"},"n":{"type":"integer"},
	"tags":{"type":"array","items":{"type":"string"}}},"required":["text"],"additionalProperties":false}`)

type sum struct {
	Sum int `json:"sum"`
}

// Server makes a server whose tools do what servers do, and what they should not.
func Server() *sdk.Server {
	s := sdk.NewServer(&sdk.Implementation{Name: "fake", Version: "1"}, nil)
	text := func(format string, args ...any) *sdk.CallToolResult {
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: fmt.Sprintf(format, args...)}}}
	}
	sdk.AddTool(s, &sdk.Tool{Name: "echo", Description: "Says it again.", InputSchema: echoSchema, Annotations: &sdk.ToolAnnotations{ReadOnlyHint: true, Title: "Echo"}},
		func(_ context.Context, _ *sdk.CallToolRequest, a echoArgs) (*sdk.CallToolResult, any, error) {
			return text("%s %d %v", a.Text, a.N, a.Tags), nil, nil
		})
	sdk.AddTool(s, &sdk.Tool{Name: "add"}, func(_ context.Context, _ *sdk.CallToolRequest, a struct{ A, B int }) (*sdk.CallToolResult, sum, error) {
		return nil, sum{a.A + a.B}, nil
	})
	plain := func(name string, do func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error)) {
		s.AddTool(&sdk.Tool{Name: name, Description: name, InputSchema: &jsonschema.Schema{Type: "object"}}, func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
			return do(ctx, r)
		})
	}
	plain("structured", func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		r := text("three rows")
		r.StructuredContent = map[string]any{"rows": 3}
		return r, nil
	})
	plain("parts", func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		return &sdk.CallToolResult{Content: []sdk.Content{
			&sdk.TextContent{Text: "a picture"}, &sdk.ImageContent{MIMEType: "image/png", Data: []byte("png")},
			&sdk.AudioContent{MIMEType: "audio/wav", Data: []byte("wav")}, &sdk.ResourceLink{URI: "file:///a", Name: "a"},
			&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "mem://b", MIMEType: "text/plain", Text: "inside"}},
			&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "mem://c", MIMEType: "application/zip", Blob: []byte("zip")}},
		}}, nil
	})
	plain("fail", func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		r := text("it went wrong")
		r.IsError = true
		return r, nil
	})
	plain("empty", func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		return &sdk.CallToolResult{Content: []sdk.Content{}}, nil
	})
	plain("env", func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		dir, err := os.Getwd()
		return text("%s|%s|%s", os.Getenv("GIVEN"), os.Getenv("LLM_API_KEY"), dir), err
	})
	plain("roots", func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		roots, err := r.Session.ListRoots(ctx, nil) //nolint:staticcheck // clients of today have roots
		if err != nil {
			return nil, err
		}
		return text("%s", roots.Roots[0].URI), nil
	})
	plain("steps", func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		for i := range 3 {
			err := r.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{
				ProgressToken: r.Params.GetProgressToken(), Progress: float64(i + 1), Total: 3, Message: "step",
			})
			if err != nil {
				return nil, err
			}
		}
		// What is notified is taken before what is asked, and after it the answer may be.
		return text("done"), r.Session.Ping(ctx, nil)
	})
	plain("ask", func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		answer, err := r.Session.Elicit(ctx, &sdk.ElicitParams{Message: "Which colour?", RequestedSchema: &jsonschema.Schema{
			Type: "object", Properties: map[string]*jsonschema.Schema{"colour": {Type: "string"}}, Required: []string{"colour"},
		}})
		if err != nil {
			return nil, err
		}
		return text("%s %v", answer.Action, answer.Content["colour"]), nil
	})
	plain("hang", func(ctx context.Context, _ *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		fmt.Fprintln(os.Stderr, "hangs")
		<-ctx.Done()
		if path := os.Getenv("CANCELLED"); path != "" {
			_ = os.WriteFile(path, []byte("yes"), 0o600) // the test sees that it is not there
		}
		return nil, ctx.Err()
	})
	plain("die", func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		fmt.Fprintln(os.Stderr, "out of ink")
		os.Exit(7)
		return nil, nil
	})
	plain("flood", func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		return text("%s", strings.Repeat("0123456789\n", 300_000)), nil
	})
	plain("burst", func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		return text("%s", strings.Repeat("x", MaxMessage+1)), nil
	})
	plain("grow", func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		plain("grown", func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) { return text("new"), nil })
		s.RemoveTools("fail")
		return text("grew"), nil
	})
	return s
}
