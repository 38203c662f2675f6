import assert from "node:assert/strict";
import { test } from "node:test";
import { diff, sameChange } from "../../src/model/diff";
import * as figures from "../../src/model/figures";
import { items, spoken, summary } from "../../src/model/list";
import { pieces } from "../../src/model/risk";
import type { Row } from "../../src/model/row";
import { terminalText, visible, visibleLine, visibleProse } from "../../src/model/visible";
import * as words from "../../src/model/words";
import { completed, hits, tokenAt } from "../../src/view/complete";

test("figures: times, amounts, counts", () => {
  assert.deepEqual([0, 999, 59_999, 60_000, 252_000, 3_840_000].map(figures.elapsed), ["0s", "0s", "59s", "1m00s", "4m12s", "1h04m"]);
  assert.deepEqual([999, 1000, 2190, 9999, 10_000].map(figures.took), [undefined, "1.0s", "2.1s", "9.9s", "10s"]);
  assert.deepEqual([0, 0.001, 0.42, 8.199, 12.5].map(figures.cost), ["$0.00", "<$0.01", "$0.42", "$8.20", "$12.50"]);
  assert.deepEqual([0, 940, 9400, 9949, 58_000, 999_499, 1_200_000].map(figures.count), ["0", "940", "9.4k", "9.9k", "58k", "999k", "1.2M"]);
  assert.equal(figures.stamp("2026-11-26T14:04:10.131156"), Date.parse("2026-11-26T14:04:10.131Z"));
  assert.equal(figures.stamp("2026-11-26T14:04:10+0200"), Date.parse("2026-11-26T12:04:10Z"));
  assert.equal(figures.stamp("yesterday"), undefined);
});

test("visible: what can't be seen is printed as its escape", () => {
  assert.equal(visible("rm \u202etxt.exe\u001b[2K\u0000\u00a0x\u200b"), "rm \\u202etxt.exe\\x1b[2K\\x00\u00a0x\\u200b");
  assert.equal(visible("a\tb\r\nc\rd"), "a\tb\nc\\x0dd");
  assert.equal(visible("\u{e0041}"), "\\u{e0041}");
  assert.equal(visibleLine("a\nb"), "a⏎ b");
  assert.equal(visibleProse("👩\u200d💻 \u2066x"), "👩\u200d💻 \\u2066x");
  assert.equal(visible("grüße, 世界, 👍"), "grüße, 世界, 👍");
});

test("terminalText: what a terminal would show", () => {
  assert.equal(terminalText("\u001b[31mred\u001b[0m \u001b]0;title\u0007x"), "red x");
  assert.equal(terminalText("10%\r50%\r100%\nnext\r\n"), "100%\nnext\n");
  assert.equal(terminalText("abc\b\bX"), "aX");
  assert.equal(terminalText("a\u0007\u202eb"), "a\\x07\\u202eb");
});

/** A difference put together again gives both texts. */
function applied(before: string, after: string): void {
  const { hunks, added, removed } = diff(before, after, 1_000_000);
  const lines = hunks.flatMap((hunk) => hunk.lines);
  const join = (kind: string) => lines.filter((line) => line.kind !== kind).map((line) => line.text);
  const split = (text: string) => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));
  if (before !== after) {
    assert.deepEqual(join("add"), split(before));
    assert.deepEqual(join("del"), split(after));
  }
  assert.equal(added, lines.filter((line) => line.kind === "add").length);
  assert.equal(removed, lines.filter((line) => line.kind === "del").length);
}

test("diff: the parts are the wholes, for any two texts", () => {
  let seed = 7;
  const random = (n: number) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return seed % n;
  };
  for (let i = 0; i < 500; i++) {
    const text = () => Array.from({ length: random(14) }, () => "abc"[random(3)]).join("\n") + (random(2) ? "\n" : "");
    applied(text(), text());
  }
});

test("diff: hunks, numbers and the server's text of a change", () => {
  const before = Array.from({ length: 30 }, (_, i) => `line ${i + 1}`).join("\n") + "\n";
  const after = before.replace("line 3\n", "LINE 3\nline 3b\n").replace("line 25\n", "");
  const { hunks, added, removed, coarse } = diff(before, after);
  assert.deepEqual([added, removed, coarse, hunks.length], [2, 2, false, 2]);
  assert.deepEqual(hunks[0]!.changes, ["-line 3\n+LINE 3\n+line 3b\n"]);
  assert.deepEqual(
    hunks[0]!.lines.map((line) => line.old ?? 0),
    [1, 2, 3, 0, 0, 4, 5, 6],
  );
  assert.deepEqual(
    hunks[0]!.lines.map((line) => line.new ?? 0),
    [1, 2, 0, 3, 4, 5, 6, 7],
  );
  assert.deepEqual(hunks[1]!.changes, ["-line 25\n"]);
  assert.deepEqual(
    diff(undefined, "a\nb\n").hunks[0]!.lines.map((line) => line.kind),
    ["add", "add"],
  );
  assert.deepEqual(diff("a\n", "a\n").hunks, []);
});

test("sameChange: what came may be told a line up or down", () => {
  assert.ok(sameChange("+a\n+}\n+\n", "+\n+a\n+}\n"));
  assert.ok(!sameChange("+a\n+b\n", "+a\n+c\n"));
  assert.ok(!sameChange("-a\n+b\n", "+b\n-a\n"));
  assert.ok(!sameChange("+a\n", "-a\n"));
});

test("diff: large texts that have nothing in common take no time", () => {
  const text = (c: string) => Array.from({ length: 20_000 }, (_, i) => `${c}${i}`).join("\n");
  const began = performance.now();
  assert.equal(diff(text("a"), text("b")).coarse, true);
  assert.ok(performance.now() - began < 2000);
});

test("pieces: the riskiest parts are marked, and the pieces are the command", () => {
  const command = "cd x && rm -rf y && rm -rf y | tee z";
  const parts = [
    { text: "cd x", risk: "LOW" },
    { text: "rm -rf y", risk: "HIGH" },
    { text: "rm -rf y", risk: "HIGH" },
    { text: "tee z", risk: "MEDIUM" },
  ];
  const marked = pieces(command, parts);
  assert.equal(marked.map((piece) => piece.text).join(""), command);
  assert.deepEqual(
    marked.filter((piece) => piece.risk).map((piece) => piece.text),
    ["rm -rf y", "rm -rf y"],
  );
  assert.deepEqual(pieces("ls", [{ text: "ls", risk: "LOW" }]), [{ text: "ls" }]);
  assert.deepEqual(pieces("ls", [{ text: "not there", risk: "HIGH" }]), [{ text: "ls" }]);
  assert.deepEqual(pieces("ls", undefined), [{ text: "ls" }]);
});

const step = (id: string, more: Partial<Row> = {}): Row => ({ id, rev: 0, kind: "step", verb: "Read", object: "a", status: "done", ...more });

test("items: steps fold after a run, and past eight in a row; never those that need the user", () => {
  const steps = Array.from({ length: 5 }, (_, i) => step(`s${i}`));
  const end: Row = { id: "end", rev: 0, kind: "end", reason: "finished" };
  assert.deepEqual(
    items([...steps, end], () => false).map((item) => item.id),
    ["group:s0", "end"],
  );
  assert.deepEqual(
    items([...steps, end], () => true).map((item) => item.id),
    ["group:s0", "s0", "s1", "s2", "s3", "s4", "end"],
  );
  assert.equal(items(steps, () => false).length, 5);
  const many = Array.from({ length: 14 }, (_, i) => step(`s${i}`));
  assert.deepEqual(
    items(many, () => false).map((item) => item.id),
    ["group:s0", "s11", "s12", "s13"],
  );
  const waiting = [...steps, step("w", { status: "waiting" }), end];
  assert.deepEqual(
    items(waiting, () => false).map((item) => item.id),
    ["group:s0", "w", "end"],
  );
  assert.deepEqual(
    items([step("h", { hidden: true }), { id: "p", rev: 0, kind: "plan", items: [] }, { id: "q", rev: 0, kind: "queued" }], () => false),
    [],
  );
});

test("summary: what a group says", () => {
  const rows = [
    step("1"),
    step("2", { verb: "Edit" }),
    step("3", { verb: "Edit" }),
    step("4", { verb: "Run", status: "failed" }),
    step("5", { verb: "Call" }),
    { ...step("t"), kind: "thinking" as const },
  ];
  assert.deepEqual(summary(rows), { steps: "5 steps", parts: "1 read, 2 edits, 1 command, 1 other", failed: "1 failed" });
});

test("spoken: what was done, is being done, or is not", () => {
  assert.deepEqual(
    (["done", "running", "failed", "rejected"] as const).map((status) => spoken(step("1", { verb: "Run", status }))),
    ["Ran", "Running", "Ran", "Run"],
  );
});

test("words: subjects, paths, policies, failures", () => {
  assert.deepEqual(words.subject({ kind: "execute", title: "Run go test", status: "pending" }, "terminal", "/w"), ["Run", "go test"]);
  assert.deepEqual(words.subject({ kind: "edit", title: "Something odd", status: "pending" }, "x", "/w"), ["Edit", "Something odd"]);
  assert.deepEqual(words.subject(undefined, "mcp_tool", "/w"), ["Call", "mcp_tool"]);
  assert.equal(words.path("file:///a%20b/%C3%BC.txt"), "/a b/ü.txt");
  assert.equal(words.path("untitled:x"), "untitled:x");
  assert.equal(words.relative("/w", "/wx/a"), "/wx/a");
  assert.equal(words.asks({ kind: "ConfirmRisky", threshold: "MEDIUM" }, "LOW"), false);
  assert.equal(words.asks({ kind: "ConfirmRisky" }, undefined), true);
  assert.deepEqual(words.explain("X", "openai: no (HTTP 429)", { kind: "rate_limit" }), [
    "The model takes no more requests for now (OpenAI, 429)",
    "no",
  ]);
  assert.deepEqual(words.explain("X", "", undefined), ["The run failed: X", ""]);
});

test("tokenAt and completed: what is being asked for, and what it becomes", () => {
  assert.deepEqual(tokenAt("/re", 3), { kind: "command", query: "re", at: 0 });
  assert.equal(tokenAt("a /re", 5), undefined);
  assert.deepEqual(tokenAt("Why does @disp", 14), { kind: "file", query: "disp", at: 9 });
  assert.equal(tokenAt("mail me@example", 15), undefined);
  assert.equal(tokenAt("@a b", 4), undefined);
  const text = "See @di and on";
  const token = tokenAt(text, 7)!;
  assert.deepEqual(completed(text, 7, token, "@src/dir.go"), { text: "See @src/dir.go and on", caret: 16 });
  assert.deepEqual(hits("Retry it", "RET"), [
    { text: "Ret", hit: true },
    { text: "ry it", hit: false },
  ]);
});
