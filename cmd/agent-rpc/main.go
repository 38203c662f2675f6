// Command agent-rpc is a coding agent that any editor can host. Without
// arguments it serves the protocol on stdin and stdout; the other commands are
// for people at a terminal and are clients of that same protocol: each starts
// the server as a child process, as an editor would.
package main

import (
	"context"
	"os"
)

func main() {
	// Editors start it this way, often: the tree of commands is not built for it.
	if len(os.Args) == 1 || len(os.Args) == 2 && (os.Args[1] == "serve" || os.Args[1] == "--stdio") {
		os.Exit(serve(context.Background(), os.Stdin, os.Stdout))
	}
	os.Exit(execute(context.Background(), os.Args[1:]))
}
