import assert from "node:assert/strict";
import { test } from "node:test";
import { Fold } from "../../src/model/fold";
import type { EventNotification, Info } from "../../src/protocol";
import { created, expected, feed, names, recording, reopened, shown } from "./recordings";

assert.ok(names.length >= 6, "the recordings are there");

for (const name of names) {
  const lines = recording(name);

  test(`${name}: line by line`, () => {
    const fold = created(lines);
    for (const line of lines) feed(fold, line);
    assert.deepEqual(shown(fold), expected(name));
  });

  test(`${name}: the last state, then the events`, () => {
    assert.deepEqual(shown(reopened(lines)), expected(name));
  });

  test(`${name}: opened anew after any line`, () => {
    for (let at = 1; at <= lines.length; at++) {
      const fold = reopened(lines.slice(0, at));
      for (const line of lines.slice(at)) feed(fold, line);
      assert.deepEqual(shown(fold), expected(name), `after line ${at}`);
    }
  });

  test(`${name}: events that come twice, and a reset`, () => {
    const fold = created(lines);
    for (const line of lines) {
      feed(fold, line);
      if (line.method === "conversation/event") feed(fold, line);
    }
    assert.deepEqual(shown(fold), expected(name));
    fold.reset();
    for (const line of lines) if (line.method === "conversation/event") feed(fold, line);
    assert.deepEqual(shown(fold), expected(name));
  });

  test(`${name}: the ids of rows are unique, and the recording is not changed`, () => {
    const before = JSON.stringify(lines);
    const fold = created(lines);
    for (const line of lines) {
      feed(fold, line);
      const ids = [...fold.rows, ...fold.tail()].map((row) => row.id);
      assert.equal(new Set(ids).size, ids.length);
    }
    assert.equal(JSON.stringify(lines), before);
  });

  test(`${name}: a row that changes has another rev`, () => {
    const fold = created(lines);
    const seen = new Map<string, string>();
    for (const line of lines) {
      feed(fold, line);
      for (const row of fold.rows) {
        const { ask, ...rest } = row as typeof row & { turn?: unknown };
        delete rest.turn;
        // The last event's seq and time are set once, with the row.
        const key = `${row.id}@${row.rev}`;
        const text = JSON.stringify({ ...rest, ask: ask?.request });
        if (seen.has(key)) assert.equal(text, seen.get(key));
        seen.set(key, text);
      }
    }
  });
}

const lines = recording("tools");
const info = lines[0]!.result!.conversation as Info;

function event(seq: number, fields: Record<string, unknown>, display?: unknown): EventNotification {
  return { id: info.id, epoch: 1, seq, event: { id: `e${seq}`, ...fields }, display } as EventNotification;
}

test("a string that was too long stands for its head and its tail", () => {
  const fold = new Fold(info);
  const text = { blob: "e2/observation/content/0/text", size: 5000, head: "first\n", tail: "ü last" };
  const call = { kind: "ActionEvent", source: "agent", tool_name: "terminal", tool_call_id: "c1", action: { kind: "TerminalAction" } };
  fold.event(event(1, call, { kind: "execute", title: "Run make", status: "pending" }));
  const sent = event(2, {
    kind: "ObservationEvent",
    tool_call_id: "c1",
    action_id: "e1",
    observation: { kind: "TerminalObservation", content: [{ type: "text", text }] },
  });
  fold.event(sent);
  assert.equal(fold.rows[0]!.result, "first\n\n[4987 bytes are not shown]\nü last");
  assert.deepEqual(fold.rows[0]!.blob, { blob: text.blob, size: 5000 });
  assert.deepEqual((sent.event as { observation: { content: Array<{ text: unknown }> } }).observation.content[0]!.text, text);
});

test("a result without its call is a step all the same", () => {
  const fold = new Fold(info);
  fold.reset(40);
  fold.event(
    event(
      41,
      { kind: "ObservationEvent", tool_call_id: "c9", observation: { content: [{ type: "text", text: "ok" }] } },
      { kind: "execute", title: "Run make", status: "completed" },
    ),
  );
  assert.deepEqual(shown(fold), [{ kind: "step", verb: "Run", object: "make", status: "done" }]);
});

test("a piece that is missing in a stream is told", () => {
  const fold = new Fold({ ...info, status: "running" });
  const delta = (offset: number, text: string) => fold.delta({ id: info.id, runId: "r", target: { messageId: "m" }, stream: "text", offset, text });
  delta(0, "für ");
  delta(5, "dich, ");
  delta(20, "und mich");
  assert.deepEqual(shown(fold), [{ kind: "text", text: "für dich, … und mich", streaming: true }]);
});

test("events that nobody knows, and events without fields, break nothing", () => {
  const fold = new Fold(info);
  const kinds =
    "MessageEvent ActionEvent ObservationEvent AgentErrorEvent UserRejectObservation ConversationErrorEvent PauseEvent InterruptEvent Condensation HookExecutionEvent NewerEvent".split(
      " ",
    );
  kinds.forEach((kind, i) => fold.event(event(i + 1, { kind })));
  kinds.forEach((kind, i) => fold.event(event(kinds.length + i + 1, { kind, source: "agent", action: null, observation: {}, llm_message: {} })));
  fold.event(event(99, { kind: "NewerEvent" }, { kind: "other", title: "Something new", status: "completed" }));
  assert.ok(fold.rows.some((row) => row.kind === "note" && row.text === "Something new"));
});

test("ten thousand events are folded in no time", () => {
  const fold = new Fold(info);
  const began = performance.now();
  for (let i = 0; i < 5000; i++) {
    const call = { kind: "ActionEvent", source: "agent", tool_name: "terminal", tool_call_id: `c${i}`, action: { kind: "TerminalAction" } };
    fold.event(
      event(2 * i + 1, { ...call, timestamp: "2026-11-26T14:04:10.131156" }, { kind: "execute", title: `Run make ${i}`, status: "pending" }),
    );
    fold.event(
      event(2 * i + 2, {
        kind: "ObservationEvent",
        timestamp: "2026-11-26T14:04:11.131156",
        tool_call_id: `c${i}`,
        action_id: `e${2 * i + 1}`,
        observation: { content: [{ type: "text", text: "ok" }] },
      }),
    );
  }
  assert.equal(fold.rows.length, 5000);
  // A tenth of a second where nothing else runs; a fold that looks at all rows for each event takes minutes.
  assert.ok(performance.now() - began < 4000, `${performance.now() - began} ms`);
});
