// Package wire moves JSON-RPC messages between a client and the process: it cuts
// the input into frames, answers what is no message, keeps the client's ids as
// they came, and owns the only goroutine that writes to the client.
//
//   - [Stream] stands under the jsonrpc2 library as its ObjectStream. Nothing
//     that a client sends ends it; only the end of the input or a read error does.
//   - [Outbox] is the queue to the client, bounded in bytes. Nobody who puts
//     something in ever waits: events that find no room become a
//     conversation/gap, states collapse to the newest, deltas are merged or lost,
//     everything else is kept.
//
// The package knows no method but those that it makes itself (conversation/gap
// and conversation/delta), takes no decision about a request, and does not close
// the writer. A Stream starts no goroutine of its own (the library's Conn has
// the reader); an Outbox starts its writer, and a timer while deltas wait.
package wire
