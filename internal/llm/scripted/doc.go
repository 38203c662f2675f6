// Package scripted is the built-in model: it plays a script instead of asking a
// language model. It is the model of `agent-rpc demo`, of tests (through the
// real binary too, with LLM_MODEL=scripted/PATH), and, with [Record] and
// [OpenReplay], the way to send somebody a run that went wrong.
//
// # Scripts
//
// A script is a sequence of JSON objects, one after the other, with nothing
// between them but white space and comments (//, /* */ and #). Trailing commas
// are allowed, and text between """ and """ is taken as it stands, over as many
// lines as it takes, less the indentation of the closing quotes. Each object is
// one answer of the model; a bare string is an answer that is only text:
//
//	// The agent looks around, then says hello.
//	{"text": "Let me look.", "calls": [{"terminal": {"command": "ls ${workspace}"}}]}
//	"Hello! I saw:\n${last_tool_output}"
//
// Answers are used once each, first in, first out, one per call of the model.
// docs/scripted-models.md lists every field: reasoning, several calls, usage,
// delays, errors, repetition, rules that answer what was typed, and answers to
// title and summary requests.
//
// # Positions
//
// Each conversation (each [llm.Request.CacheKey]) has its own position, so one
// script serves any number of them. A model that meets a conversation which has
// a history already finds its position by playing the script silently along the
// assistant messages of that history; a process that was killed goes on where
// it was. Errors and endless waits leave no message, so those that stand at the
// place are passed over then. The setting "resume": false turns this off.
//
// # What it does not do
//
// It never retries, never counts tokens and costs nothing unless the script
// says so. It starts no goroutine.
package scripted
