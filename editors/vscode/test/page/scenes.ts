/** Scenes that the recordings do not have, made of events as the server sends them. */
import type { Diff, Hunk, Info, Pending, SeqEvent } from "../../src/protocol";
import type { Line, Scene } from "./fake";

const at = Date.parse("2026-11-26T14:00:00Z");
export const clock = "2026-11-26T14:02:31Z";

export const info: Info = {
  id: "5f0c6a52-1111-4222-8333-444455556666",
  title: "Retry failed webhooks with backoff",
  workspace: "file:///home/ada/payments-api",
  status: "finished",
  stopReason: "finished",
  runId: "r1",
  createdAt: new Date(at).toISOString(),
  updatedAt: new Date(at + 150_000).toISOString(),
  cursor: { epoch: 1, seq: 0 },
  maxIterationPerRun: 500,
  confirmationPolicy: { kind: "ConfirmRisky", threshold: "MEDIUM" },
  model: "anthropic/claude-sonnet-5",
  llms: [{ usageId: "agent", model: "anthropic/claude-sonnet-5" }],
  stats: {
    usage_to_metrics: {
      agent: {
        accumulated_cost: 0.42,
        accumulated_token_usage: { prompt_tokens: 52000, completion_tokens: 6100, per_turn_token: 38000, context_window: 200000 },
      },
    },
  },
  pending: [],
  queued: [],
  tags: {},
  changes: { files: 0, additions: 0, deletions: 0 },
};

/** Log builds events in their order, a second apart. */
export class Log {
  events: SeqEvent[] = [];
  private calls = 0;
  private last = "";

  private add(event: Record<string, unknown>, display?: unknown): string {
    const seq = this.events.length + 1;
    const id = `event-${seq}`;
    const timestamp = new Date(at + seq * 1700).toISOString().replace("Z", "");
    this.events.push({ seq, event: { id, timestamp, parent_id: this.last || null, ...event }, display } as SeqEvent);
    this.last = id;
    return id;
  }

  user(text: string, ...along: string[]): this {
    const content = [text, ...along].map((t) => ({ type: "text", text: t, cache_prompt: false }));
    this.add({ kind: "MessageEvent", source: "user", llm_message: { role: "user", content, thinking_blocks: [] }, activated_skills: [] });
    return this;
  }

  agent(text: string, reasoning?: string): this {
    this.add({
      kind: "MessageEvent",
      source: "agent",
      llm_message: { role: "assistant", content: [{ type: "text", text }], reasoning_content: reasoning, thinking_blocks: [] },
    });
    return this;
  }

  /** A call; `result` absent leaves it open. Returns the id of its action. */
  call(
    kind: string,
    title: string,
    more: {
      input?: unknown;
      result?: string;
      failed?: boolean;
      summary?: string;
      diff?: Diff;
      risk?: string;
      thought?: string;
      reasoning?: string;
      observation?: unknown;
    } = {},
  ): string {
    const call = `call-${++this.calls}`;
    const display = { kind, title, ...(more.risk && { risk: more.risk }), ...(more.diff && { diff: more.diff }) };
    const action = this.add(
      {
        kind: "ActionEvent",
        source: "agent",
        thought: more.thought ? [{ type: "text", text: more.thought }] : [],
        reasoning_content: more.reasoning,
        thinking_blocks: [],
        action: more.input ?? {},
        tool_name: "tool",
        tool_call_id: call,
        llm_response_id: `response-${call}`,
      },
      { ...display, status: "pending" },
    );
    if (more.result === undefined) return action;
    this.add(
      {
        kind: "ObservationEvent",
        source: "environment",
        tool_call_id: call,
        action_id: action,
        observation: { kind: "Observation", content: [{ type: "text", text: more.result }], ...(more.observation as object) },
      },
      { ...display, status: more.failed ? "failed" : "completed", summary: more.summary },
    );
    return action;
  }

  raw(event: Record<string, unknown>, display?: unknown): this {
    this.add(event, display);
    return this;
  }

  plan(items: Array<[title: string, status: string]>): this {
    const task_list = items.map(([title, status]) => ({ title, status, notes: "" }));
    this.call("other", "Plan", { input: { kind: "TaskTrackerAction", task_list }, result: "ok", observation: { task_list } });
    return this;
  }

  scene(state: Partial<Info>, more: Scene = {}): Scene {
    const now: Info = { ...info, ...state, cursor: { epoch: 1, seq: this.events.length } };
    const lines: Line[] = [
      { method: "conversation/create", result: { conversation: now } },
      ...this.events.map((event) => ({ method: "conversation/event", params: { id: now.id, epoch: 1, ...event } })),
    ];
    return { ...more, lines, init: { folders: [{ uri: now.workspace, name: "payments-api" }], ...more.init } };
  }
}

const dispatcher: Diff = {
  path: "/home/ada/payments-api/internal/webhook/dispatcher.go",
  oldText:
    "package webhook\n\nfunc (d *Dispatcher) send() error {\n\tresp, err := d.client.Do(req)\n\tif err != nil || resp.StatusCode >= 500 {\n\t\treturn d.drop(ctx, del)\n\t}\n\treturn nil\n}\n",
  newText:
    "package webhook\n\nfunc (d *Dispatcher) send() error {\n\tresp, err := d.client.Do(req)\n\tif retryable(resp, err) {\n\t\treturn d.retry(ctx, del, d.policy.Next(del.Attempt))\n\t}\n\treturn nil\n}\n\nfunc retryable(r *http.Response, err error) bool {\n\treturn err != nil || r.StatusCode >= 500 || r.StatusCode == 429\n}\n",
};

const hunk = (id: string, oldStart: number, newStart: number, text: string): Hunk => ({
  id,
  oldStart,
  oldLines: text.split("\n").filter((line) => line.startsWith("-")).length,
  newStart,
  newLines: text.split("\n").filter((line) => line.startsWith("+")).length,
  text,
});

const changes = {
  files: [
    {
      uri: "file:///home/ada/payments-api/internal/webhook/backoff.go",
      status: "added",
      additions: 46,
      deletions: 0,
      hunks: [hunk("b1", 0, 1, "+package webhook\n+\n+// Next returns the pause before attempt n.\n")],
    },
    {
      uri: "file:///home/ada/payments-api/internal/webhook/dispatcher.go",
      status: "modified",
      additions: 6,
      deletions: 2,
      hunks: [
        hunk(
          "d1",
          5,
          5,
          "-\tif err != nil || resp.StatusCode >= 500 {\n-\t\treturn d.drop(ctx, del)\n+\tif retryable(resp, err) {\n+\t\treturn d.retry(ctx, del, d.policy.Next(del.Attempt))\n",
        ),
        hunk(
          "d2",
          9,
          10,
          "+\n+func retryable(r *http.Response, err error) bool {\n+\treturn err != nil || r.StatusCode >= 500 || r.StatusCode == 429\n+}\n",
        ),
      ],
    },
    { uri: "file:///home/ada/payments-api/docs/logo.png", status: "modified", additions: 0, deletions: 0, binary: true, hunks: [] },
    {
      uri: "file:///home/ada/payments-api/.github/workflows/release.yml",
      status: "deleted",
      additions: 0,
      deletions: 2,
      hunks: [hunk("r1", 1, 0, "-on: push\n-jobs: {}\n")],
    },
  ],
};

function begun(): Log {
  const log = new Log();
  log.user(
    "Failed webhooks are dropped after the first 5xx. Retry them with exponential backoff, at most 5 times, and make the tests pass.",
    "[file] /home/ada/payments-api/internal/webhook/dispatcher.go\n…",
    "[selection] /home/ada/payments-api/internal/webhook/dispatcher.go:41-58\n…",
    "[diagnostics] /home/ada/payments-api/internal/webhook/dispatcher.go\n…",
  );
  log.plan([
    ["Find where deliveries are dropped", "done"],
    ["Add a backoff policy with jitter", "done"],
    ["Store attempt count with the delivery", "done"],
    ["Run the webhook tests", "in_progress"],
    ["Document the new settings", "todo"],
  ]);
  log.call("read", "Read /home/ada/payments-api/internal/webhook/dispatcher.go", {
    reasoning: "Deliveries are dropped in send(). The decision is made where the status is read.\nA policy of its own would be easier to test.",
    result: "package webhook\n",
    summary: "180 lines",
  });
  log.call("search", "Search client.Do(", { result: "dispatcher.go:44\nrefund.go:12\n", summary: "14 hits, 6 files" });
  log.call("edit", "Edit /home/ada/payments-api/internal/webhook/backoff.go", {
    thought:
      "A `5xx` ends the delivery in [dispatcher.go:52](internal/webhook/dispatcher.go#L52). I'll move the decision into a policy, see `internal/webhook/backoff.go:12`:\n\n```go internal/webhook/backoff.go\n// Next returns the pause before attempt n.\nfunc (p Policy) Next(n int) time.Duration {\n\td := p.Base << (n - 1)\n\treturn min(d, p.Max) + p.jitter()\n}\n```",
    diff: { path: "/home/ada/payments-api/internal/webhook/backoff.go", newText: "package webhook\n\n// Next returns the pause before attempt n.\n" },
    result: "ok",
    summary: "+46 -0",
  });
  log.call("execute", "Run go build ./...", {
    input: { kind: "TerminalAction", command: "go build ./..." },
    result: "webhook/dispatcher.go:52:9: undefined: policy.Next\nwebhook/dispatcher.go:61:3: \u001b[31mmissing return\u001b[0m\n",
    failed: true,
    summary: "exit 1",
  });
  log.call("edit", "Edit /home/ada/payments-api/internal/webhook/dispatcher.go", { diff: dispatcher, result: "ok", summary: "+6 -2" });
  return log;
}

export function running(): Scene {
  const log = begun();
  log.call("execute", "Run go test ./internal/webhook/... -run Retry -count=1", {
    input: { kind: "TerminalAction", command: "go test ./internal/webhook/... -run Retry -count=1" },
    thought: "The build is clean again.",
  });
  const scene = log.scene({
    status: "running",
    stopReason: undefined,
    queued: [
      {
        messageId: "q1",
        message: { role: "user", content: [{ type: "text", text: "Also add a metric for retries", cache_prompt: false }], thinking_blocks: [] },
      },
    ],
  });
  const n = scene.lines!.length;
  const delta = (target: object, stream: string, offset: number, text: string): Line => ({
    method: "conversation/delta",
    params: { id: info.id, runId: "r1", target, stream, offset, text },
  });
  scene.lines!.push(
    delta(
      { toolCallId: `call-7` },
      "stdout",
      0,
      "=== RUN   TestRetryBackoff\n--- PASS: TestRetryBackoff (0.31s)\n=== RUN   TestRetryGivesUp\n    dispatcher_test.go:88: attempt 4, next in 800ms\n",
    ),
    delta({ messageId: "m-next" }, "text", 0, "While the tests run: the attempt count lives in the delivery row, so a **restart** goes"),
  );
  return { ...scene, played: n };
}

export function approval(): Scene {
  const log = begun();
  const command = "cd services/webhook && rm -rf ./testdata/* && go generate ./... | tee gen.log \u202e# \u001b[8mhidden";
  const first = log.call("execute", `Run ${command}`, {
    input: { kind: "TerminalAction", command },
    risk: "HIGH",
    thought: "The fixtures are stale. I'd like to regenerate them and let CI check that they stay fresh.",
  });
  const release: Diff = {
    path: "/home/ada/payments-api/.github/workflows/release.yml",
    oldText: "      - uses: actions/setup-go@v5\n        with: { go-version: 1.24 }\n      - run: go test ./...\n",
    newText:
      "      - uses: actions/setup-go@v5\n        with: { go-version-file: go.mod }\n      - run: go generate ./... && git diff --exit-code\n      - run: go test ./...\n",
  };
  const second = log.call("edit", "Edit /home/ada/payments-api/.github/workflows/release.yml", { diff: release, risk: "MEDIUM" });
  const third = log.call("fetch", "Fetch https://example.com/schema.json", {
    input: { kind: "FetchAction", url: "https://example.com/schema.json" },
    risk: "LOW",
  });
  const pending: Pending = {
    requestId: "ask-1",
    runId: "r1",
    kind: "confirmation",
    reason: "terminal: its risk is HIGH",
    options: [
      { id: "approve", label: "Approve all" },
      { id: "reject", label: "Reject all" },
      { id: "remember", label: "Remember" },
    ],
    actions: [
      {
        actionId: first,
        tool: "terminal",
        title: `Run ${command}`,
        kind: "execute",
        risk: "HIGH",
        reason: "its risk is HIGH",
        input: { kind: "TerminalAction", command },
        parts: [
          { text: "cd services/webhook", risk: "LOW" },
          { text: "rm -rf ./testdata/*", risk: "HIGH", reason: "deletes 38 files, 12 of them not in git" },
          { text: "go generate ./...", risk: "MEDIUM", reason: "runs programs named in the source" },
          { text: "tee gen.log", risk: "LOW", reason: "writes gen.log" },
        ],
      },
      {
        actionId: second,
        tool: "file_editor",
        title: "Edit .github/workflows/release.yml",
        kind: "edit",
        risk: "MEDIUM",
        reason: "changes what CI runs",
        input: {},
        diff: release,
      },
      {
        actionId: third,
        tool: "fetch",
        title: "Fetch https://example.com/schema.json",
        kind: "fetch",
        risk: "LOW",
        reason: "it waits with the others",
        input: { url: "https://example.com/schema.json", headers: null },
      },
    ],
  };
  return log.scene({ status: "waiting_for_confirmation", stopReason: "waiting_for_confirmation", pending: [pending] });
}

/** The same conversation, before anything waits. */
export function beforeApproval(): { scene: Scene; state: Partial<Info> } {
  const scene = approval();
  const created = scene.lines![0]!.result as { conversation: Info };
  const { pending } = created.conversation;
  created.conversation = { ...created.conversation, status: "running", stopReason: undefined, pending: [] };
  return { scene, state: { status: "waiting_for_confirmation", stopReason: "waiting_for_confirmation", pending } };
}

export function asked(schema: unknown, message = "Which database should the tests use?"): Scene {
  const log = begun();
  const action = log.call("other", `Ask ${message}`, { input: { kind: "AskUserAction" } });
  const pending: Pending = {
    requestId: "ask-2",
    runId: "r1",
    kind: "input",
    reason: "",
    options: [],
    message,
    schema,
    actions: [{ actionId: action, tool: "ask_user", title: `Ask ${message}`, kind: "other", risk: "LOW", reason: "", input: {} }],
  };
  return log.scene({ status: "waiting_for_input", stopReason: undefined, pending: [pending] });
}

export function finished(): Scene {
  const log = begun();
  log.call("execute", "Run go test ./...", {
    input: { kind: "TerminalAction", command: "go test ./..." },
    result: "ok  \tpayments/internal/refund\t4.118s\nok  \tpayments/internal/webhook\t6.902s\n",
    summary: "41 passed",
  });
  log.agent(
    "Webhooks are retried up to 5 times with exponential backoff and jitter.\n\n- The policy lives in `internal/webhook/backoff.go`; base 100 ms, cap 30 s.\n- Attempts are stored with the delivery, so a restart goes on where it was.\n- All 41 tests pass. `WEBHOOK_MAX_ATTEMPTS` is documented.\n\n1. First\n2. Second\n\n| setting | default |\n|---|---|\n| base | 100 ms |\n| cap | 30 s |\n\n> Quoted, with *emphasis* and ~~strikes~~.",
  );
  return log.scene({ changes: { files: 4, additions: 97, deletions: 12 } }, { changes });
}

/** What a model could try to do to the page. */
export const hostile = [
  "<script>window.hacked = 1</script>",
  '<img src=x onerror="window.hacked = 1">',
  "[a link](javascript:window.hacked=1) and [another](data:text/html,x) and ![a picture](https://example.com/p.png)",
  '<a href="https://example.com" onclick="window.hacked=1">html</a> <iframe src="https://example.com"></iframe> <style>*{display:none}</style>',
  "`\u202egnp.exe` and \u001b[31mred\u001b[0m and zero\u200bwidth",
  "```html\n<script>window.hacked = 1</script>\n```",
  '```"><img src=x onerror=window.hacked=1>\ncode\n```',
  "[x]: javascript:window.hacked=1\n\n[x] <svg><script>window.hacked=1</script></svg>",
].join("\n\n");

export function text(markdown: string): Scene {
  return new Log().user("Go on").agent(markdown).scene({});
}

export function ended(state: Partial<Info>, error?: { code: string; detail: string; kind: string; user_action: string }): Scene {
  const log = begun();
  if (error)
    log.raw({
      kind: "ConversationErrorEvent",
      source: "environment",
      code: error.code,
      detail: error.detail,
      classification: { kind: error.kind, retryable: false, user_action: error.user_action },
    });
  return log.scene({
    ...state,
    ...(error && {
      error: { code: error.code, message: error.detail, classification: { kind: error.kind, retryable: false, user_action: error.user_action } },
    }),
  });
}

/** A conversation of `n` events: turns of two texts, a plan and steps. */
export function long(n: number, state: Partial<Info> = {}): Scene {
  const log = new Log();
  while (log.events.length < n - 40) {
    log.user(`Turn ${log.events.length}: now the same for refunds. Keep the policy shared.`);
    for (let i = 0; i < 3; i++) {
      log.call("read", `Read /home/ada/payments-api/db/${log.events.length}.sql`, {
        result: "select 1;\n",
        summary: "22 lines",
        thought: `Step ${i}: a look at the migration, then **on** with \`it\`.`,
      });
      log.call("execute", `Run make check-${log.events.length}`, {
        input: { kind: "TerminalAction", command: "make check" },
        result: `${"line\n".repeat(8)}done\n`,
      });
    }
    log.agent(`Done with turn ${log.events.length}. ${"It holds. ".repeat(log.events.length % 30)}`);
  }
  log.user("Good. Squash the two migrations.");
  while (log.events.length < n) log.raw({ kind: "SystemPromptEvent", source: "agent" });
  return log.scene(state);
}

export function listed(): Info[] {
  const ago = (minutes: number) => new Date(Date.parse(clock) - minutes * 60_000).toISOString();
  const one = (i: number, part: Partial<Info>): Info => ({
    ...info,
    id: `00000000-0000-4000-8000-00000000000${i}`,
    status: "finished",
    cursor: { epoch: 1, seq: 9 },
    ...part,
  });
  const waiting = (approval().lines![0]!.result as { conversation: Info }).conversation;
  return [
    one(1, { title: "Retry failed webhooks with backoff", status: "waiting_for_confirmation", pending: waiting.pending, updatedAt: ago(0) }),
    one(2, { title: "Port the retry queue to Redis streams", status: "running", workspace: "file:///home/ada/worker", updatedAt: ago(0) }),
    one(3, { title: "Why does Retry-After overflow?", lockedBy: { pid: 41210 }, updatedAt: ago(3) }),
    one(4, { title: "Move ledger to pgx, keep retry semantics", changes: { files: 9, additions: 210, deletions: 188 }, updatedAt: ago(120) }),
    one(5, {
      title: "Flaky TestClientRetry on arm64",
      status: "error",
      error: {
        code: "LLMAuthenticationError",
        message: "The model refused the key",
        classification: { kind: "auth", retryable: false, user_action: "settings" },
      },
      updatedAt: ago(300),
    }),
    one(6, { title: "", status: "paused", updatedAt: ago(9 * 24 * 60) }),
  ];
}
