import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Page } from "playwright-core";
import type { ViewMessage } from "../../src/messages";
import type { SeqEvent } from "../../src/protocol";
import { faint, open, painted, relook, shots, sound, start, stop } from "./browser";
import type { Fake, Line, Scene } from "./fake";
import * as scenes from "./scenes";
import { binary, built, Server } from "./server";

declare const ROOT: string;
declare const window: Window & { fake: Fake; hacked?: number; seen?: string[] };

const there = await start();
const skip = there ? false : "no Chromium: install Debian's chromium, or set AGENT_RPC_CHROMIUM";
after(stop);

const themes = ["dark", "light", "hc"] as const;

function recorded(name: string): Line[] {
  const text = readFileSync(join(ROOT, "testdata/conversations", `${name}.jsonl`), "utf8");
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
}
const recordings = readdirSync(join(ROOT, "testdata/conversations"))
  .filter((name) => name.endsWith(".jsonl"))
  .map((name) => name.slice(0, -6));

async function close(tab: Page): Promise<void> {
  await tab.context().close();
}

const sent = (tab: Page): Promise<ViewMessage[]> => tab.evaluate(() => window.fake.sent);
async function asked(tab: Page, name: string): Promise<Array<Record<string, unknown>>> {
  const all = (await sent(tab)) as Array<{ method?: string; verb?: string; params?: Record<string, unknown> }>;
  return all.filter((m) => m.method === name || m.verb === name).map((m) => m.params ?? {});
}

/** Every state, in every theme and at three widths: nothing overflows, all is readable, nothing breaks the policy. */
const states: Record<string, { scene: () => Scene; act?: (tab: Page) => Promise<void> }> = {
  running: { scene: scenes.running, act: (tab) => tab.evaluate(() => window.fake.play()) },
  approval: { scene: scenes.approval },
  "approval-edit": {
    scene: scenes.approval,
    act: async (tab) => {
      await tab.getByRole("button", { name: "Next action" }).click();
      await tab.getByRole("button", { name: "Reject all 3…" }).click();
      await tab.getByLabel("Reason").fill("Keep 1.24 pinned, only add the generate step");
    },
  },
  question: {
    scene: () =>
      scenes.asked({
        type: "object",
        properties: { answer: { type: "string", title: "Answer", enum: ["PostgreSQL in a container", "SQLite in memory", "None: fakes only"] } },
        required: ["answer"],
      }),
  },
  finished: {
    scene: scenes.finished,
    act: async (tab) => {
      await tab.getByRole("button", { name: "Show the changes of dispatcher.go" }).click();
    },
  },
  steps: {
    scene: scenes.finished,
    act: async (tab) => {
      await tab.locator(".log").evaluate((el) => el.scrollTo(0, 0));
      await tab.clock.runFor(200);
      await tab.locator(".group button").last().click();
      await tab.clock.runFor(200);
      for (const name of [/Thought/, /Edited dispatcher.go/]) await tab.locator(".step button", { hasText: name }).first().click();
    },
  },
  "error-key": {
    scene: () =>
      scenes.ended(
        { status: "error", stopReason: "error" },
        { code: "LLMAuthenticationError", detail: "anthropic: invalid x-api-key (HTTP 401)", kind: "auth", user_action: "settings" },
      ),
  },
  "step-limit": {
    scene: () =>
      scenes.ended(
        { status: "error", stopReason: "max_iterations" },
        { code: "MaxIterationsReached", detail: "limit", kind: "config", user_action: "none" },
      ),
  },
  budget: {
    scene: () =>
      scenes.ended(
        { status: "error", stopReason: "budget", maxBudgetPerRun: 0.4 },
        { code: "MaxBudgetReached", detail: "budget", kind: "config", user_action: "none" },
      ),
  },
  stuck: {
    scene: () =>
      scenes.ended({
        status: "stuck",
        stopReason: "stuck",
        error: { code: "Stuck", message: "The same command four times.", classification: { kind: "", retryable: false, user_action: "none" } },
      }),
  },
  stopped: { scene: () => scenes.ended({ status: "paused", stopReason: "interrupted" }) },
  "server-stopped": {
    scene: scenes.finished,
    act: (tab) =>
      tab.evaluate(() =>
        window.fake.tell({
          type: "server",
          server: { state: "stopped", message: "It was restarted 5 times in a minute.", remedy: "The log says why." },
        }),
      ),
  },
  hostile: { scene: () => scenes.text(scenes.hostile) },
  welcome: { scene: () => ({ init: { id: null, setup: { model: "", key: false, folder: true, trusted: true } } }) },
  missing: {
    scene: () => ({
      init: { id: null, server: { state: "missing", message: "No agent-rpc was found.", remedy: "Set agentRpc.server.path, or install it." } },
    }),
  },
  empty: {
    scene: () => ({
      list: scenes.listed(),
      init: {
        id: null,
        context: {
          file: { uri: "file:///home/ada/greet/dispatcher.go" },
          problems: {
            uri: "file:///home/ada/greet/dispatcher.go",
            items: [{ range: { start: { line: 1, character: 0 }, end: { line: 1, character: 4 } }, message: "result of client.Do is not checked" }],
          },
        },
      },
    }),
  },
  history: {
    scene: () => ({ list: scenes.listed(), init: { id: null } }),
    act: async (tab) => {
      await tab.evaluate(() => window.fake.tell({ type: "command", command: { name: "history" } }));
      await tab.clock.runFor(100);
      await tab.getByPlaceholder("Search titles").fill("retry");
      await tab.clock.runFor(300);
    },
  },
  composer: {
    scene: () => ({
      ...scenes.finished(),
      files: [
        { uri: "file:///home/ada/payments-api/internal/webhook/dispatcher.go", path: "internal/webhook/dispatcher.go" },
        { uri: "file:///home/ada/payments-api/internal/webhook/dispatcher_test.go", path: "internal/webhook/dispatcher_test.go" },
      ],
    }),
    act: async (tab) => {
      await tab.evaluate(() =>
        window.fake.tell({
          type: "context",
          context: {
            selection: {
              uri: "file:///home/ada/payments-api/internal/webhook/dispatcher.go",
              range: { start: { line: 40, character: 0 }, end: { line: 58, character: 0 } },
              text: "x",
            },
            problems: {
              uri: "file:///home/ada/payments-api/a.go",
              items: [{ range: { start: { line: 0, character: 0 }, end: { line: 0, character: 1 } }, message: "m" }],
            },
          },
        }),
      );
      await tab.getByRole("textbox", { name: "Message" }).fill("Why does @disp");
    },
  },
  menu: { scene: scenes.finished, act: (tab) => tab.locator(".title").click() },
  long: {
    scene: () => scenes.long(400, { status: "running", stopReason: undefined, confirmationPolicy: { kind: "NeverConfirm" } }),
    act: async (tab) => {
      await tab.locator(".log").evaluate((el) => el.scrollTo(0, el.scrollHeight - 1800));
      await tab.clock.runFor(200);
      await tab.evaluate((ev) => ev.forEach((e) => window.fake.append(e as SeqEvent)), more(400, 12));
    },
  },
};

function more(from: number, n: number): SeqEvent[] {
  return Array.from({ length: n }, (_, i) => ({
    seq: from + i + 1,
    event: {
      id: `new-${i}`,
      kind: "MessageEvent",
      source: "agent",
      timestamp: "2026-11-26T14:02:00",
      llm_message: { content: [{ type: "text", text: `New text ${i}` }] },
    },
  })) as SeqEvent[];
}

for (const [name, { scene, act }] of Object.entries(states)) {
  test(`looks: ${name}`, { skip }, async () => {
    const tab = await open(scene(), { clock: scenes.clock });
    await tab.clock.runFor(700);
    await act?.(tab);
    await tab.clock.runFor(700);
    for (const theme of themes) {
      for (const width of theme === "dark" ? [300, 360, 900] : [360, 900]) {
        await relook(tab, theme, width, width === 900 ? 700 : 760);
        await tab.clock.runFor(400);
        assert.deepEqual(await sound(tab), [], `${theme} ${width}`);
        assert.deepEqual(await faint(tab), [], `contrast, ${theme} ${width}`);
        if (width !== 300) await tab.screenshot({ path: join(shots, `${name}-${theme}-${width}.png`) });
      }
    }
    await close(tab);
  });
}

/** Each recording, live and reopened, shows the same text. */
for (const name of recordings) {
  test(`recording: ${name}`, { skip }, async () => {
    const lines = recorded(name);
    const look = async (played: number) => {
      const tab = await open({ lines, played }, { width: 360 });
      await tab.evaluate(() => window.fake.play());
      await painted(tab);
      await tab.locator(".log").evaluate((el) => el.scrollTo(0, 0));
      await painted(tab);
      assert.deepEqual(await sound(tab), []);
      const text = await tab.locator(".rows").innerText();
      if (played === 1) await tab.screenshot({ path: join(shots, `recording-${name}.png`) });
      await close(tab);
      return text;
    };
    const live = await look(1);
    assert.equal(await look(Math.floor(lines.length / 2)), live);
    assert.equal(await look(lines.length), live);
    assert.ok(live.length > 20);
  });
}

test("an approval that arrives moves no focus, and is dead for half a second", { skip }, async () => {
  const { scene, state } = scenes.beforeApproval();
  const tab = await open(scene, { clock: scenes.clock });
  await tab.locator("textarea").focus();
  await tab.keyboard.type("I am writing");
  await tab.evaluate((s) => window.fake.become(s as never), state);
  await tab.clock.runFor(100);
  await tab.waitForSelector(".ask");
  assert.equal(await tab.evaluate(() => document.activeElement?.tagName), "TEXTAREA");
  await tab.keyboard.type(" on");
  assert.equal(await tab.locator("textarea").inputValue(), "I am writing on");

  const approve = tab.getByRole("button", { name: "Approve all 3" });
  assert.equal(await approve.isDisabled(), true);
  // Also by a click that the page makes, past the disabled state.
  await tab.evaluate(() => {
    const button = [...document.querySelectorAll<HTMLButtonElement>(".ask .acts button")].find((b) => b.textContent!.includes("Approve"))!;
    button.disabled = false;
    button.click();
  });
  await tab.clock.runFor(300);
  await tab.evaluate(() => document.querySelector<HTMLElement>(".ask")!.focus());
  await tab.keyboard.press("y");
  assert.deepEqual(await asked(tab, "conversation/confirm"), []);
  await tab.clock.runFor(300);
  await approve.click();
  await tab.clock.runFor(100);
  assert.deepEqual(await asked(tab, "conversation/confirm"), [{ id: scenes.info.id, requestId: "ask-1", decision: "approve" }]);
  await close(tab);
});

test("an approval that was hidden is dead anew, and nothing is ticked or chosen", { skip }, async () => {
  const tab = await open(scenes.approval(), { clock: scenes.clock });
  await tab.clock.runFor(700);
  const approve = tab.getByRole("button", { name: "Approve all 3" });
  assert.equal(await approve.isDisabled(), false);
  assert.equal(await tab.locator(".ask input[type=checkbox]").isChecked(), false);
  assert.equal(await approve.evaluate((el) => el.classList.contains("primary")), false, "no primary button where the risk is high");
  await tab.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await tab.clock.runFor(2000);
  assert.equal(await approve.isDisabled(), true);
  await tab.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { value: "visible", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await tab.clock.runFor(400);
  assert.equal(await approve.isDisabled(), true);
  await tab.clock.runFor(200);
  assert.equal(await approve.isDisabled(), false);
  await close(tab);
});

test("an approval shows all of the command, with what can't be seen; keys count only on the block", { skip }, async () => {
  const tab = await open(scenes.approval(), { clock: scenes.clock });
  await tab.clock.runFor(700);
  const exact = await tab.locator(".exact").innerText();
  assert.ok(exact.includes("\\u202e#") && exact.includes("\\x1b[8mhidden"), exact);
  assert.equal(await tab.locator(".exact mark").innerText(), "rm -rf ./testdata/*");
  // In the message and on a button a key is a letter.
  await tab.locator("textarea").focus();
  await tab.keyboard.press("y");
  await tab.locator(".ask .others button").first().focus();
  await tab.keyboard.press("y");
  assert.deepEqual(await asked(tab, "conversation/confirm"), []);
  // Review is what the user asks for: it takes the focus to the block, and to no button.
  await tab.getByRole("button", { name: "Review 3" }).click();
  await tab.clock.runFor(200);
  assert.equal(await tab.evaluate(() => document.activeElement?.className.includes("ask")), true);
  await tab.keyboard.press("ArrowRight");
  assert.ok((await tab.locator(".ask header").innerText()).includes("2 of 3"));
  await tab.keyboard.press("r");
  await tab.clock.runFor(50);
  await tab.keyboard.type("not yet");
  await tab.getByRole("button", { name: "Reject and tell the agent" }).click();
  await tab.clock.runFor(50);
  assert.deepEqual(await asked(tab, "conversation/confirm"), [{ id: scenes.info.id, requestId: "ask-1", decision: "reject", reason: "not yet" }]);
  await close(tab);
});

test("an approval that is taller than the view is read from its beginning", { skip }, async () => {
  const tab = await open(scenes.approval(), { clock: scenes.clock, height: 480 });
  await tab.clock.runFor(700);
  const [log, head] = await Promise.all([tab.locator(".log").boundingBox(), tab.locator(".ask > header").boundingBox()]);
  assert.ok(head!.y >= log!.y && head!.y < log!.y + 40, `${head!.y} in ${log!.y}`);
  await close(tab);
});

test("in a window with several folders none is taken silently", { skip }, async () => {
  const folders = ["worker", "payments-api"].map((name) => ({ uri: `file:///home/ada/${name}`, name }));
  const tab = await open({ init: { id: null, folders } }, { clock: scenes.clock });
  assert.ok((await tab.locator(".hd-picks").innerText()).includes("Choose a folder"));
  await tab.locator("textarea").fill("Go");
  await tab.locator("textarea").press("Enter");
  await tab.clock.runFor(100);
  assert.deepEqual(await asked(tab, "newConversation"), [{}]);
  await close(tab);
});

test("what is remembered is what was ticked", { skip }, async () => {
  const tab = await open(scenes.approval(), { clock: scenes.clock });
  await tab.clock.runFor(700);
  await tab.getByLabel("Remember these exact 3").check();
  await tab.getByLabel("Where it is remembered").selectOption("workspace");
  await tab.getByRole("button", { name: "Approve all 3" }).click();
  await tab.clock.runFor(50);
  assert.deepEqual(await asked(tab, "conversation/confirm"), [
    { id: scenes.info.id, requestId: "ask-1", decision: "approve", remember: { scope: "workspace" } },
  ]);
  await close(tab);
});

test("a question is a form of its schema", { skip }, async () => {
  const schema = {
    type: "object",
    required: ["name", "port"],
    properties: {
      name: { type: "string", title: "Name" },
      port: { type: "integer", title: "Port" },
      kind: {
        type: "string",
        title: "Kind",
        oneOf: [
          { const: "a", title: "Alpha" },
          { const: "b", title: "Beta" },
        ],
      },
      tags: { type: "array", title: "Tags", items: { enum: ["x", "y"] } },
      dry: { type: "boolean", title: "Dry run" },
    },
  };
  const tab = await open(scenes.asked(schema), { clock: scenes.clock, height: 1200 });
  await tab.clock.runFor(700);
  await tab.locator(".question").getByRole("button", { name: "Answer" }).click();
  await tab.clock.runFor(60);
  assert.equal(await tab.locator(".question [role=alert]").innerText(), "Name is missing");
  await tab.getByLabel("Name").fill("db");
  await tab.getByLabel("Port").fill("54.5");
  await tab.locator(".question").getByRole("button", { name: "Answer" }).click();
  await tab.clock.runFor(60);
  assert.equal(await tab.locator(".question [role=alert]").innerText(), "Port must be a whole number");
  assert.deepEqual(await asked(tab, "conversation/answer"), []);
  await tab.getByLabel("Port").fill("5432");
  await tab.getByLabel("Beta").check();
  await tab.getByLabel("y", { exact: true }).check();
  await tab.getByLabel("Dry run").check();
  await tab.locator(".question").getByRole("button", { name: "Answer" }).click();
  await tab.clock.runFor(60);
  assert.deepEqual(await asked(tab, "conversation/answer"), [
    { id: scenes.info.id, requestId: "ask-2", action: "accept", content: { name: "db", port: 5432, kind: "b", tags: ["y"], dry: true } },
  ]);
  await close(tab);
});

test("nothing of a stranger's text is carried out or fetched", { skip }, async () => {
  const scene = scenes.text(scenes.hostile);
  const tab = await open(scene);
  const requests: string[] = [];
  tab.on("request", (request) => requests.push(request.url()));
  await painted(tab);
  assert.deepEqual(await sound(tab), []);
  for (const selector of [".md script", ".md img", ".md iframe", ".md style", ".md svg", ".md [onclick]", ".md [onerror]", ".md a:not([href='#'])"]) {
    assert.equal(await tab.locator(selector).count(), 0, selector);
  }
  const text = await tab.locator(".md").innerText();
  for (const shown of ["<script>window.hacked = 1</script>", "onclick", "\\u202egnp.exe", "\\x1b[31mred", "zero\\u200bwidth"])
    assert.ok(text.includes(shown), shown);
  for (const link of await tab.locator(".md a").all()) await link.click();
  await painted(tab);
  assert.equal(await tab.evaluate(() => window.hacked), undefined);
  assert.deepEqual(requests, []);
  const links = (await asked(tab, "openLink")).map((m) => m.url);
  assert.ok(
    links.every((url) => /^(https?|mailto):/.test(String(url))),
    JSON.stringify(links),
  );
  await close(tab);
});

test("links to files, and code blocks: open, copy, insert", { skip }, async () => {
  const tab = await open(scenes.text("See [it](src/a.go#L12-L14), `src/b.ts:7` and <https://example.com/x>.\n\n```go\nfunc main() {}\n```"));
  await painted(tab);
  for (const link of await tab.locator(".md a").all()) await link.click();
  const id = scenes.info.id;
  assert.deepEqual(await asked(tab, "openFile"), [
    { uri: "src/a.go", line: 12, endLine: 14, id },
    { uri: "src/b.ts", line: 7, id },
  ]);
  assert.deepEqual(await asked(tab, "openLink"), [{ url: "https://example.com/x" }]);
  assert.ok((await tab.locator(".code .hljs-keyword").count()) > 0);
  await tab.locator(".code").getByLabel("Copy").click();
  await tab.locator(".code").getByLabel("Insert at the cursor").click();
  assert.deepEqual(await asked(tab, "copy"), [{ text: "func main() {}" }]);
  assert.deepEqual(await asked(tab, "insertCode"), [{ text: "func main() {}", language: "go" }]);
  await close(tab);
});

test("ten thousand events: few nodes, older ones on demand, what is read stays where it is", { skip }, async () => {
  const tab = await open(scenes.long(10_000));
  await painted(tab);
  const nodes = () => tab.locator(".arpc *").count();
  const position = () => tab.locator(".log").evaluate((el) => el.scrollHeight - el.scrollTop - el.clientHeight);
  assert.ok((await position()) < 2, "at the bottom at first");
  assert.ok((await nodes()) < 1500, `${await nodes()} nodes`);
  let most = 0;
  let pages = 0;
  for (let i = 0; i < 60; i++) {
    await tab.locator(".log").evaluate((el) => el.scrollBy(0, -3000));
    await painted(tab);
    most = Math.max(most, await nodes());
    pages = (await asked(tab, "conversation/events")).length;
  }
  assert.ok(most < 2500, `${most} nodes`);
  assert.ok(pages > 3, `${pages} pages were read`);
  // A page that comes moves nothing of what is read.
  const before = await tab.evaluate(() => {
    const log = document.querySelector(".log")!.getBoundingClientRect();
    const row = [...document.querySelectorAll<HTMLElement>(".row[data-id]")].find((el) => el.getBoundingClientRect().top > log.top + 5)!;
    return { id: row.dataset.id!, top: row.getBoundingClientRect().top };
  });
  await tab.evaluate(() => document.querySelector<HTMLButtonElement>(".row.mid button")?.click());
  await painted(tab);
  await painted(tab);
  const top = await tab.evaluate((id) => document.querySelector(`.row[data-id="${id}"]`)?.getBoundingClientRect().top, before.id);
  assert.ok(top !== undefined && Math.abs(top - before.top) < 3, `${before.top} → ${top}`);
  // All the way up.
  for (let i = 0; i < 60 && (await tab.locator(".row.mid").count()) > 0; i++) {
    await tab.locator(".log").evaluate((el) => el.scrollTo(0, 0));
    await painted(tab);
  }
  await tab.locator(".log").evaluate((el) => el.scrollTo(0, 0));
  await painted(tab);
  assert.ok((await tab.locator(".you").first().innerText()).startsWith("Turn 0:"));
  assert.ok((await nodes()) < 2500);
  // Typing is not held up by the length.
  await tab.locator("textarea").focus();
  const began = Date.now();
  await tab.keyboard.type("not slow at all", { delay: 0 });
  const each = (Date.now() - began) / 15;
  assert.ok(each < 120, `${each} ms for a key`);
  console.log(`10,000 events: at most ${most} nodes, ${each.toFixed(1)} ms for a key`);
  assert.deepEqual(await sound(tab), []);
  await close(tab);
});

test("the list stays at the bottom only while the reader is there; else it counts what is new", { skip }, async () => {
  const tab = await open(scenes.long(400));
  await painted(tab);
  const position = () => tab.locator(".log").evaluate((el) => ({ top: el.scrollTop, below: el.scrollHeight - el.scrollTop - el.clientHeight }));
  const add = async (events: SeqEvent[]) => {
    await tab.evaluate((all) => all.forEach((e) => window.fake.append(e as SeqEvent)), events);
    await painted(tab);
  };
  await add(more(400, 3));
  assert.ok((await position()).below < 2);
  await tab.locator(".log").evaluate((el) => el.scrollBy(0, -1200));
  await painted(tab);
  const seen = await tab
    .locator(".row[data-id]")
    .nth(8)
    .evaluate((el) => ({ id: (el as HTMLElement).dataset.id!, top: el.getBoundingClientRect().top }));
  await add(more(403, 12).map((e, i) => ({ ...e, event: { ...(e.event as object), id: `later-${i}` } })));
  assert.equal(await tab.locator(".jump").innerText(), "12 new");
  const now = await tab.locator(`.row[data-id="${seen.id}"]`).evaluate((el) => el.getBoundingClientRect().top);
  assert.ok(Math.abs(now - seen.top) < 2, `${seen.top} → ${now}`);
  await tab.locator(".jump").click();
  await painted(tab);
  assert.ok((await position()).below < 2);
  assert.equal(await tab.locator(".jump").count(), 0);
  await close(tab);
});

test("a gap is filled, a new epoch is read anew", { skip }, async () => {
  const tab = await open(scenes.long(60));
  await painted(tab);
  const id = scenes.info.id;
  // Three events that were not sent, then a gap that says so.
  await tab.evaluate((all) => all.forEach((e) => window.fake.append(e as SeqEvent, false)), more(60, 3));
  await tab.evaluate((id) => window.fake.notify("conversation/gap", { id, epoch: 1, after: 60, to: 63 }), id);
  await painted(tab);
  assert.ok((await tab.locator(".rows").innerText()).includes("New text 2"));
  // And one that nobody tells: the next event shows it.
  await tab.evaluate(
    (all) => all.forEach((e, i) => window.fake.append(e as SeqEvent, i === 2)),
    more(63, 3).map((e, i) => ({
      ...e,
      event: { ...(e.event as object), id: `x-${i}`, llm_message: { content: [{ type: "text", text: `Untold ${i}` }] } },
    })),
  );
  await painted(tab);
  const text = await tab.locator(".rows").innerText();
  for (const i of [0, 1, 2]) assert.ok(text.includes(`Untold ${i}`));

  await tab.evaluate(() => {
    window.fake.events.length = 1;
    window.fake.become({ cursor: { epoch: 2, seq: 1 } });
  });
  await painted(tab);
  const anew = await tab.locator(".rows").innerText();
  assert.ok(!anew.includes("Untold") && anew.includes("Turn 0"), anew);
  await close(tab);
});

test("a state that comes while the events are read is not lost", { skip }, async () => {
  const { scene, state } = scenes.beforeApproval();
  const tab = await open({ ...scene, during: state }, { clock: scenes.clock });
  await tab.clock.runFor(700);
  assert.equal(await tab.locator(".ask").count(), 1);
  await close(tab);
});

test("messages: send, queue, steer, take back, stop", { skip }, async () => {
  const tab = await open(scenes.finished(), { clock: scenes.clock });
  const field = tab.locator("textarea");
  await field.fill("Go on");
  await field.press("Shift+Enter");
  assert.deepEqual(await asked(tab, "conversation/sendMessage"), []);
  await field.press("Enter");
  await tab.clock.runFor(100);
  const [first] = await asked(tab, "conversation/sendMessage");
  assert.deepEqual({ ...first, messageId: undefined }, { id: scenes.info.id, message: "Go on", messageId: undefined, run: true, whenBusy: "queue" });
  assert.equal(await field.inputValue(), "");

  await tab.evaluate(() =>
    window.fake.become({
      status: "running",
      stopReason: undefined,
      queued: [
        { messageId: "q1", message: { role: "user", content: [{ type: "text", text: "Also this", cache_prompt: false }], thinking_blocks: [] } },
      ],
    }),
  );
  await tab.clock.runFor(100);
  await field.fill("Rather that");
  await field.press("Control+Enter");
  await tab.clock.runFor(100);
  assert.equal((await asked(tab, "conversation/sendMessage"))[1]!.whenBusy, "steer");
  await tab.getByLabel("Take back and edit").click();
  await tab.clock.runFor(100);
  assert.deepEqual(await asked(tab, "conversation/unsend"), [{ id: scenes.info.id, messageId: "q1" }]);
  assert.equal(await field.inputValue(), "Also this");

  await field.focus();
  await tab.keyboard.press("Escape");
  await tab.clock.runFor(100);
  assert.equal((await asked(tab, "conversation/interrupt")).length, 1);
  assert.ok((await tab.locator(".runbar").innerText()).includes("Stopping"));
  await tab.clock.runFor(5000);
  assert.ok((await tab.locator(".runbar").innerText()).includes("Stopping"), "until the run has ended");
  await tab.evaluate(() => window.fake.become({ status: "paused", stopReason: "interrupted", queued: [] }));
  await tab.clock.runFor(100);
  assert.equal(await tab.locator(".runbar").count(), 0);
  assert.equal(await tab.locator(".spin, .track.on").count(), 0, "nothing looks as if it ran");
  await close(tab);
});

test("a message that is refused stays, with the remedy", { skip }, async () => {
  const scene = {
    ...scenes.finished(),
    refuse: { "conversation/sendMessage": { code: -31005, message: "no key for anthropic", data: { kind: "auth_required" } } },
  };
  const tab = await open(scene, { clock: scenes.clock });
  await tab.locator("textarea").fill("Go on");
  await tab.locator("textarea").press("Enter");
  await tab.clock.runFor(100);
  assert.equal(await tab.locator("textarea").inputValue(), "Go on");
  assert.ok((await tab.locator(".notice").innerText()).includes("no key for anthropic"));
  await tab.locator(".notice").getByRole("button", { name: "Set API key" }).click();
  assert.equal((await asked(tab, "setKey")).length, 1);
  await close(tab);
});

test("completion of files and commands by keys, context as chips that can be taken away", { skip }, async () => {
  const scene: Scene = {
    ...scenes.finished(),
    files: [{ uri: "file:///home/ada/payments-api/src/dispatch.go", path: "src/dispatch.go" }],
    skills: [{ name: "review", description: "look over changes", command: "/review", triggers: [], origin: "project", invocable: true }],
  };
  const tab = await open(scene, { clock: scenes.clock });
  await tab.evaluate(() => window.fake.tell({ type: "context", context: { file: { uri: "file:///home/ada/payments-api/a.go" } } }));
  const field = tab.locator("textarea");
  await field.focus();
  await tab.keyboard.type("Look at @disp");
  await tab.clock.runFor(100);
  await tab.keyboard.press("Enter");
  await tab.clock.runFor(100);
  assert.equal(await field.inputValue(), "Look at @src/dispatch.go ");
  assert.deepEqual(await tab.locator(".box .chip .clip").allInnerTexts(), ["a.go", "dispatch.go"]);
  await tab.getByRole("button", { name: "Don't send a.go current" }).click();
  await tab.clock.runFor(100);
  await field.press("Enter");
  await tab.clock.runFor(100);
  assert.deepEqual((await asked(tab, "conversation/sendMessage"))[0]!.message, [
    { type: "text", text: "Look at @src/dispatch.go" },
    { type: "file", uri: "file:///home/ada/payments-api/src/dispatch.go" },
  ]);
  await tab.keyboard.type("/rev");
  await tab.clock.runFor(100);
  assert.ok((await tab.locator(".opt.on").innerText()).includes("/review"));
  await tab.keyboard.press("Tab");
  await tab.clock.runFor(100);
  assert.equal(await field.inputValue(), "/review ");
  await close(tab);
});

test("a draft, open rows and the conversation are back after a reload of the view", { skip }, async () => {
  const tab = await open(scenes.finished());
  await tab.locator("textarea").fill("half a thought");
  await tab.getByRole("button", { name: "Show the changes of dispatcher.go" }).click();
  await painted(tab);
  const saved = await tab.evaluate(() => {
    window.dispatchEvent(new Event("pagehide"));
    return window.fake.state;
  });
  const text = await tab.locator(".rows").innerText();
  await close(tab);
  const again = await open({ ...scenes.finished(), saved });
  await painted(again);
  assert.equal(await again.locator("textarea").inputValue(), "half a thought");
  assert.equal(await again.locator(".rows").innerText(), text);
  await close(again);
});

test("changes: keep and undo for all, a file and a hunk; in the card of an edit too", { skip }, async () => {
  const tab = await open(scenes.finished(), { height: 1400 });
  const id = scenes.info.id;
  const uri = "file:///home/ada/payments-api/internal/webhook/dispatcher.go";
  await tab.getByLabel("Keep backoff.go").click();
  await tab.getByLabel("Undo release.yml").click();
  await tab.getByRole("button", { name: "Show the changes of dispatcher.go" }).click();
  await tab.getByRole("button", { name: "Undo line 5 of dispatcher.go" }).click();
  await tab.getByRole("button", { name: "Undo all…" }).click();
  assert.equal((await asked(tab, "conversation/undoChanges")).length, 2, "undoing all is asked once more");
  await tab.getByRole("button", { name: "Undo all", exact: true }).click();
  await painted(tab);
  assert.deepEqual(await asked(tab, "conversation/keepChanges"), [{ id, uri: "file:///home/ada/payments-api/internal/webhook/backoff.go" }]);
  assert.deepEqual(await asked(tab, "conversation/undoChanges"), [
    { id, uri: "file:///home/ada/payments-api/.github/workflows/release.yml" },
    { id, uri, hunks: ["d1"] },
    { id },
  ]);
  await tab.locator(".group button").last().click();
  await painted(tab);
  await tab.locator(".step button", { hasText: "Edited dispatcher.go" }).first().click();
  await painted(tab);
  await tab.getByRole("button", { name: "Keep this change of internal/webhook/dispatcher.go" }).first().click();
  await painted(tab);
  assert.deepEqual((await asked(tab, "conversation/keepChanges"))[1], { id, uri, hunks: ["d1", "d2"] });
  await close(tab);
});

test("a long output is fetched when it is wanted", { skip }, async () => {
  const log = new scenes.Log().user("Go");
  const blob = { blob: "event-3/observation/content/0/text", size: 50_000, head: "first line\n", tail: "\nlast line" };
  log.call("execute", "Run make", {
    input: { kind: "TerminalAction", command: "make" },
    result: blob as unknown as string,
    failed: true,
    summary: "exit 2",
  });
  const tab = await open(log.scene({ status: "paused", stopReason: "interrupted" }));
  assert.ok((await tab.locator(".term").innerText()).includes("bytes are not shown"));
  await tab.locator(".term").getByRole("button", { name: "Show all" }).click();
  await painted(tab);
  assert.deepEqual(await asked(tab, "conversation/blob"), [{ id: scenes.info.id, blob: blob.blob, offset: 0 }]);
  assert.ok((await tab.locator(".term").innerText()).includes("line of the whole output"));
  await close(tab);
});

test("streaming text is painted at most every 50 ms", { skip }, async () => {
  const scene = scenes.running();
  const tab = await open(scene, { clock: scenes.clock });
  await tab.evaluate(() => {
    window.seen = [];
    new MutationObserver(() => window.seen!.push(document.querySelector(".md.streaming")?.textContent ?? "")).observe(
      document.querySelector(".rows")!,
      { subtree: true, childList: true, characterData: true },
    );
  });
  let offset = 0;
  for (let i = 0; i < 100; i++) {
    await tab.evaluate(
      ({ id, offset, i }) =>
        window.fake.notify("conversation/delta", { id, runId: "r1", target: { messageId: "m9" }, stream: "text", offset, text: `word${i} ` }),
      { id: scenes.info.id, offset, i },
    );
    offset += `word${i} `.length;
    await tab.clock.runFor(5);
  }
  await tab.clock.runFor(100);
  const texts = new Set(await tab.evaluate(() => window.seen!));
  assert.ok(
    [...texts].some((text) => text.includes("word99")),
    "the last word is there",
  );
  assert.ok(texts.size <= 14, `${texts.size} paintings in half a second`);
  await close(tab);
});

test("by keys alone: every control is reached, menus give the focus back", { skip }, async () => {
  const tab = await open(scenes.finished());
  const order: string[] = [];
  for (let i = 0; i < 60; i++) {
    await tab.keyboard.press("Tab");
    const at = await tab.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent?.trim() ?? "");
    order.push(at);
  }
  for (const name of ["Keep all", "Undo all…", "Message", "Add a file", "Attach an image", "Transcript"])
    assert.ok(order.includes(name), `${name} in ${order.join(" | ")}`);
  await tab.locator(".title").focus();
  await tab.keyboard.press("Enter");
  await painted(tab);
  assert.equal(await tab.evaluate(() => document.activeElement?.textContent), "Rename…");
  await tab.keyboard.press("ArrowUp");
  assert.equal(await tab.evaluate(() => document.activeElement?.textContent), "Delete…");
  await tab.keyboard.press("Escape");
  await painted(tab);
  assert.equal(await tab.evaluate(() => document.activeElement?.classList.contains("title")), true);
  await close(tab);
});

test("nothing moves where motion is not wanted", { skip }, async () => {
  const tab = await open(scenes.running(), { reducedMotion: true });
  await tab.evaluate(() => window.fake.play());
  await painted(tab);
  const moving = await tab.evaluate(() => document.getAnimations().filter((a) => a.playState === "running").length);
  assert.equal(moving, 0);
  assert.ok((await tab.locator(".runbar").innerText()).includes("Running"), "it is told in words");
  await close(tab);
});

test("history: search, open, rename, delete; the server's restart opens what was shown again", { skip }, async () => {
  const tab = await open({ ...scenes.finished(), list: scenes.listed() }, { clock: scenes.clock });
  await tab.evaluate(() => window.fake.tell({ type: "command", command: { name: "history" } }));
  await tab.clock.runFor(100);
  assert.deepEqual(await tab.locator(".day").allInnerTexts(), ["Active", "Today", "Earlier"]);
  assert.equal(await tab.locator(".conv").count(), 6);
  await tab.getByLabel("More for Move ledger to pgx, keep retry semantics").click();
  await tab.getByRole("menuitem", { name: "Delete…" }).click();
  await tab.clock.runFor(100);
  assert.equal((await asked(tab, "deleteConversation"))[0]!.title, "Move ledger to pgx, keep retry semantics");
  await tab.getByPlaceholder("Search titles").fill("redis");
  await tab.clock.runFor(400);
  assert.equal(await tab.locator(".conv").count(), 1);
  await tab.locator(".conv-open").click();
  await tab.clock.runFor(100);
  assert.equal((await asked(tab, "showConversation")).at(-1)!.id, scenes.listed()[1]!.id);
  const opened = (await asked(tab, "conversation/open")).length;
  await tab.evaluate(() => {
    window.fake.tell({ type: "server", server: { state: "stopped" } });
    window.fake.tell({ type: "server", server: { state: "running" } });
  });
  await tab.clock.runFor(200);
  assert.equal((await asked(tab, "conversation/open")).length, opened + 1);
  await close(tab);
});

test("with the real server: a message, approvals, changes, a reload in the middle, an ending", {
  skip: skip || (built ? false : `no ${binary}: run make build`),
}, async () => {
  const server = new Server("approval");
  try {
    await server.start();
    const toServer = async (method: string, params: unknown) => {
      try {
        if (method !== "newConversation") return { result: await server.request(method, params) };
        const made = (await server.request("conversation/create", server.create)) as { conversation: { id: string } };
        return { result: { id: made.conversation.id } };
      } catch (e) {
        return { error: (e as { error: object }).error };
      }
    };
    const bridged = async (id: string | null) => {
      const folders = [{ uri: `file://${server.workspace}`, name: "greet" }];
      const tab = await open({ real: true, init: { id, folders } }, { height: 1100, toServer });
      server.onNotification = (method, params) =>
        void tab.evaluate(([m, p]) => window.fake.notify(m as string, p), [method, params]).catch(() => undefined);
      return tab;
    };
    let tab = await bridged(null);
    await tab.locator("textarea").fill("Clean up");
    await tab.locator("textarea").press("Enter");
    await tab.getByRole("button", { name: "Approve all 3" }).waitFor();
    const id = (await sent(tab)).findLast((m) => m.type === "status" && m.id)!;
    const before = await tab.locator(".rows").innerText();

    // The view is thrown away while something waits, and comes back the same.
    await close(tab);
    tab = await bridged((id as { id: string }).id);
    await tab.getByRole("button", { name: "Approve all 3" }).waitFor();
    await painted(tab);
    assert.equal(await tab.locator(".rows").innerText(), before);
    await tab.locator(".ask .acts button:enabled", { hasText: "Approve all 3" }).click();

    // What comes next is refused with a reason, and then without.
    await tab.locator(".ask", { hasText: "npm publish" }).waitFor();
    await tab.locator(".ask .acts button:enabled", { hasText: "Reject…" }).click();
    await tab.getByLabel("Reason").fill("not from this branch");
    await tab.getByRole("button", { name: "Reject and tell the agent" }).click();
    await tab.locator(".ask", { hasText: "git tag v1" }).waitFor();
    await tab.locator(".ask .acts button:enabled", { hasText: "Reject…" }).click();
    await tab.getByRole("button", { name: "Reject and stop" }).click();
    await tab.locator(".end h3", { hasText: "Rejected by you" }).waitFor();

    // What was changed is there, and goes back.
    await tab.locator(".changes .file", { hasText: "a.txt" }).waitFor();
    assert.equal(readFileSync(join(server.workspace, "a.txt"), "utf8").includes("2"), true);
    await tab.getByLabel("Undo a.txt").click();
    await tab.locator(".changes").waitFor({ state: "detached" });
    assert.equal(readFileSync(join(server.workspace, "a.txt"), "utf8"), "one\ntwo\nthree\n");
    await tab.screenshot({ path: join(shots, "real-server.png") });
    assert.deepEqual(await sound(tab), []);
    await close(tab);
  } finally {
    await server.stop();
  }
});
