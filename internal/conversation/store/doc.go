// Package store keeps conversations on disk in OpenHands' own layout, so that
// a conversation opens in OpenHands and the other way round:
//
//	<base>/<conversation id, 32 hex digits>/
//	    base_state.json                    the state
//	    agent_rpc.json                     what only we know (the sidecar)
//	    agent-rpc.lock                     held while the conversation is open
//	    events/event-00000-<event id>.json one file per event
//	    events/.eventlog.lock              OpenHands' lock, held around an append
//	    events.orphaned/                   event files behind a gap, set aside
//
// The store deals in bytes: it knows file names, order and locks, and that a
// file holds one JSON value. What an event or a state means, parents and
// branches are for package conversation.
//
// # What a crash leaves
//
// An event or a state file is written beside its place and renamed into it, so
// after a killed process every file is whole. Nothing is flushed per event;
// [Store.Sync] does it for all that was written since the last one. A power
// failure may so leave an empty file: opening never fails for it, reading it
// gives a [CorruptError].
//
// # Two writers
//
// agent-rpc.lock is an OS lock and is gone with its process. It keeps a second
// agent-rpc away. The Python SDK does not know it; against that one each append
// holds .eventlog.lock and looks whether the directory changed since our last
// write. A change is never overwritten: Append rereads the directory and gives a
// [ChangedError], and the caller reads on from there.
//
// On file systems that cache directory times between machines (NFS) the check
// can come late; OpenHands has the same limit.
//
// # Goroutines
//
// [Store.Range] starts goroutines and waits for them before it yields; [Store.Sync]
// likewise. None outlives a call.
package store
