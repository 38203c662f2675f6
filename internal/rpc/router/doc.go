// Package router takes the requests of one client to their handlers. It decides
// the order (first in, first out for one conversation, independent otherwise,
// and past every queue where a method asks for it), what is legal at which time
// of the connection, and which code an error becomes; it answers each request
// exactly once, whatever its handler does.
//
// It knows the methods of the lifecycle (initialize, shutdown, exit,
// $/cancelRequest) and no other: what they do is registered by the server. It
// sends no notification but $/cancelRequest.
//
// Goroutines: one for each conversation with requests that wait or run, one for
// each running request that is marked [Bypass], none when idle; [Router.Shutdown]
// waits for them. The reader is that of the jsonrpc2 library, started by
// [Router.Connect].
package router
