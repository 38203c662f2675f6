// Drives the packaged extension in a real VS Code: drive.mjs NODE CODE CHROMIUM VSIX SHOTS [CASE]. Prints a line for each case; the
// exit code is 1 where one failed.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { browser, Code, until, Window } from "./rig.mjs";

const [, , node, code, chromium, vsix, shots, only] = process.argv;
mkdirSync(shots, { recursive: true });

// What the model answers, by what it is asked.
const script = String.raw`
{"settings": {"usage": {"prompt_tokens": 19000, "completion_tokens": 80, "context_window": 200000, "cost": 0.11}}}
{"for": "title", "text": "Greet in French", "repeat": "forever"}
{"when": "French", "then": [
  {"reasoning": "The greeting is in greet.sh, and nowhere else.", "text": "I'll look first.", "calls": [
    {"task_tracker": {"command": "plan", "task_list": [{"title": "Read the script", "status": "done"}, {"title": "Greet in French", "status": "in_progress"}], "security_risk": "LOW"}},
    {"file_editor": {"command": "view", "path": "${"$"}{workspace}/greet.sh", "security_risk": "LOW"}}]},
  {"calls": [
    {"file_editor": {"command": "str_replace", "path": "${"$"}{workspace}/greet.sh", "old_str": "Hello", "new_str": "Bonjour", "security_risk": "LOW"}},
    {"terminal": {"command": "sh greet.sh; (exit 3)", "security_risk": "LOW"}}]},
  {"text": "It greets in **French** now:\n\n~~~sh\necho \"Bonjour\"\n~~~"}]}
{"when": "Clean up", "then": [
  {"text": "I'd delete the cache.", "calls": [{"terminal": {"command": "cd . && rm -rf ./cache && echo gone | tee gen.log", "security_risk": "HIGH"}}]},
  {"text": "The cache is gone."}]}
{"when": "Tidy up", "then": [
  {"calls": [{"terminal": {"command": "rm -rf ./cache", "security_risk": "HIGH"}}]},
  {"text": "Then I leave it: ${"$"}{last_tool_output}"}]}
{"when": "Wait for it", "then": [
  {"text": "Working on it.", "calls": [{"terminal": {"command": "until [ -e go ]; do sleep 0.05; done; echo went", "security_risk": "LOW"}}]},
  {"text": "It went on."}]}
{"when": "Edit the list", "then": [
  {"calls": [{"file_editor": {"command": "str_replace", "path": "${"$"}{workspace}/list.txt", "old_str": "four\n", "new_str": "4\n4 and a half\n", "security_risk": "LOW"}}]},
  {"text": "The list is edited."}]}
{"when": "Change both", "then": [
  {"calls": [
    {"file_editor": {"command": "str_replace", "path": "${"$"}{workspace}/list.txt", "old_str": "two\n", "new_str": "2\n", "security_risk": "LOW"}},
    {"file_editor": {"command": "str_replace", "path": "${"$"}{workspace}/list.txt", "old_str": "nine\n", "new_str": "9\n", "security_risk": "LOW"}},
    {"terminal": {"command": "echo made > made.txt", "security_risk": "LOW"}}]},
  {"text": "Both are changed."}]}
{"when": "[Ff]ix", "text": "I see what is wrong.", "repeat": "forever"}
{"text": "Hello from the script.", "repeat": "forever"}
`;

const list = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n";

let vs;
let web;
let count = 0;

/** Opens a window on a new folder, with the chat. */
async function start(files, options = {}) {
  const folder = vs.folder(`greet${++count}`, files);
  const w = await Window.open(web, vs, folder, { shots, ...options });
  await w.openChat();
  return w;
}

const button = (w, name) => w.chat.getByRole("button", { name, exact: true });

async function approve(w) {
  await until("Approve can be pressed", async () => (await button(w, "Approve").isEnabled()) && !(await w.chat.locator(".ask.arming").count()));
  await button(w, "Approve").click();
}

/** The text of the editor that is open. */
async function editorText(w) {
  const lines = await w.page
    .locator(".editor-instance .view-line")
    .evaluateAll((all) => all.map((line) => ({ top: Number.parseInt(line.style.top, 10), text: line.textContent.replaceAll("\u00a0", " ") })));
  return lines.sort((a, b) => a.top - b.top).map((line) => line.text);
}

const cases = {
  async "a conversation with tools"() {
    const w = await start({ "greet.sh": 'echo "Hello"\n' });
    await w.shot("new");
    await w.openFile("greet.sh");
    await w.chat.locator(".chip", { hasText: "greet.sh" }).first().waitFor();
    await w.say("Greet in French");
    await w.chat.getByRole("heading", { name: "Finished" }).waitFor();
    await w.see("exit 3");
    assert.equal(w.read("greet.sh"), 'echo "Bonjour"\n');
    await w.page.locator(".statusbar-item", { hasText: "Agent: finished" }).waitFor();
    await w.chat.getByText("Greet in French").first().waitFor();
    for (const [name, theme, look] of [
      ["light", "Light Modern", "vscode-light"],
      ["contrast", "Dark High Contrast", "vscode-high-contrast"],
      ["dark", "Dark Modern", "vscode-dark"],
    ]) {
      await w.theme(theme);
      await w.chat.locator(`body.${look}`).waitFor();
      await w.shot(`conversation-${name}`);
    }
    return w;
  },

  async "an approval"() {
    const w = await start({ "cache/x": "x" });
    await w.say("Clean up");
    await button(w, "Approve").waitFor();
    await w.see("High risk");
    // Nothing took the focus from the message.
    assert.equal(await w.composer.evaluate((el) => el.ownerDocument.activeElement === el), true);
    await w.page.locator(".statusbar-item", { hasText: "Agent: waits for you" }).waitFor();
    assert.ok(existsSync(join(w.path, "cache/x")));
    await until("it is armed", async () => !(await w.chat.locator(".ask.arming").count()));
    await w.shot("approval");
    await approve(w);
    await w.see("The cache is gone.");
    assert.ok(!existsSync(join(w.path, "cache/x")));
    return w;
  },

  async "a rejection with a reason"() {
    const w = await start({ "cache/x": "x" });
    await w.say("Tidy up");
    await until("Reject can be pressed", async () => (await button(w, "Reject…").isEnabled()) && !(await w.chat.locator(".ask.arming").count()));
    await button(w, "Reject…").click();
    await w.chat.getByLabel("Reason").fill("I still need it");
    await w.shot("rejection");
    await button(w, "Reject and tell the agent").click();
    await w.chat
      .getByText(/Then I leave it:.*I still need it/s)
      .first()
      .waitFor();
    assert.ok(existsSync(join(w.path, "cache/x")));
    return w;
  },

  async "changes: diff, keep and undo"() {
    const w = await start({ "list.txt": list });
    await w.openFile("list.txt");
    await w.say("Change both");
    await w.see("Both are changed.");
    await w.see("Finished");
    await w.chat.getByText("3 hunks").or(w.chat.getByText("2 files")).first().waitFor();
    // The native diff, from the card.
    await w.chat.getByRole("button", { name: "Review" }).click();
    await w.page.locator(".monaco-diff-editor").waitFor();
    await w.page.locator(".tab", { hasText: "before the agent" }).waitFor();
    await w.shot("diff");
    await w.page.keyboard.press("Control+F4");
    // A hunk taken back above the line that it changed.
    await w.openFile("list.txt");
    const lens = w.page.locator(".codelens-decoration a", { hasText: "Undo" });
    await lens.first().waitFor();
    await w.shot("lenses");
    await lens.first().click();
    await until("the hunk is taken back", () => w.read("list.txt") === list.replace("nine", "9"));
    await until("the buffer follows", async () => (await editorText(w))[1] === "two");
    // The rest from the view of changes.
    await w.command("Agent RPC: Keep All");
    await until("nothing is left", async () => !(await w.page.locator(".codelens-decoration a", { hasText: "Undo" }).count()));
    assert.equal(w.read("made.txt"), "made\n");
    return w;
  },

  async "a buffer with unsaved changes is edited in one undo step"() {
    const w = await start({ "list.txt": list });
    await w.openFile("list.txt");
    await w.page.locator(".editor-instance .view-line").first().click();
    await w.page.keyboard.press("Control+Home");
    await w.page.keyboard.type("zero, ");
    await until("it is typed", async () => (await editorText(w))[0] === "zero, one");
    await w.say("Edit the list");
    await w.see("The list is edited.");
    await until("the buffer is edited", async () => (await editorText(w))[4] === "4 and a half");
    assert.equal((await editorText(w))[0], "zero, one");
    assert.equal(w.read("list.txt"), list);
    await w.shot("unsaved");
    await w.page.locator(".editor-instance .view-line").first().click();
    await w.page.keyboard.press("Control+Z");
    await until("one undo takes it back", async () => (await editorText(w))[3] === "four");
    assert.equal((await editorText(w))[0], "zero, one");
    return w;
  },

  async "a reload in the middle of a run"() {
    const w = await start({ "a.txt": "a" });
    await w.say("Wait for it");
    await w.see("Working on it.");
    await w.chat.getByText("until [ -e go ]").first().waitFor();
    await w.page.reload();
    await w.page.waitForSelector(".monaco-workbench");
    await w.openChat();
    await w.see("Working on it.");
    await w.shot("reload");
    writeFileSync(join(w.path, "go"), "");
    // The server of the window before ended with it; what it ran was interrupted, and that is said.
    const ending = w.chat.getByText(/It went on\.|Stopped|The process ended/).first();
    await until("the ending is told", async () => {
      // The window before may not have ended yet: then the conversation is still its own.
      const again = button(w, "Try again");
      if (await again.count())
        await again
          .first()
          .click({ timeout: 2000 })
          .catch(() => undefined);
      return ending.waitFor({ timeout: 2000 }).then(
        () => true,
        () => false,
      );
    });
    return w;
  },

  async "a killed server"() {
    const w = await start({ "a.txt": "a" });
    await w.say("Wait for it");
    await w.chat.getByText("until [ -e go ]").first().waitFor();
    const pids = execFileSync("pgrep", ["-f", `${vs.home}/extensions/.*bin/agent-rpc`])
      .toString()
      .trim()
      .split("\n");
    process.kill(Number(pids.at(-1)), "SIGKILL");
    await w.see("The process ended while the run was going on.");
    await w.shot("killed");
    writeFileSync(join(w.path, "go"), "");
    await w.say("Say hello");
    await w.see("Hello from the script.");
    return w;
  },

  async "a queued message, pause and stop"() {
    const w = await start({ "a.txt": "a" });
    await w.say("Wait for it");
    await w.chat.getByText("until [ -e go ]").first().waitFor();
    await w.say("Say hello later");
    await w.see("Queued");
    await w.shot("queued");
    await button(w, "Stop").click();
    await w.see("Stopped by you");
    await w.shot("stopped");
    return w;
  },

  async "history, from another window"() {
    const w = await start({ "a.txt": "a" });
    await w.say("Say hello");
    await w.see("Hello from the script.");
    await w.page.locator('.pane-header a[aria-label="History"], a[aria-label="History"]').first().click();
    const entries = w.chat.getByRole("list", { name: "Conversations" }).getByRole("listitem");
    await until("stored conversations", async () => (await entries.count()) >= Math.min(count, 2));
    await w.shot("history");
    return w;
  },

  async "fix with agent"() {
    const w = await start({ "broken.json": '{"a": 1,,}\n' });
    await w.openFile("broken.json");
    await w.page.locator(".squiggly-error").first().waitFor();
    await w.page.locator(".editor-instance .view-line").first().click();
    await w.page.keyboard.press("F8");
    await w.page.keyboard.press("Control+.");
    await w.page.getByText("Fix with Agent").first().click();
    await w.see("I see what is wrong.");
    await w.see("broken.json");
    return w;
  },

  async "a file is completed behind @"() {
    const w = await start({ "src/dispatcher.go": "package x\n", "README.md": "# x\n" });
    await w.composer.click();
    await w.composer.pressSequentially("Look at @disp");
    await w.chat
      .getByRole("option", { name: /dispatcher\.go/ })
      .first()
      .waitFor();
    await w.shot("completion");
    await w.composer.press("Enter");
    await w.chat.locator(".chip", { hasText: "dispatcher.go" }).first().waitFor();
    return w;
  },

  async "ten thousand events"() {
    const w = await start({ "a.txt": "a" });
    const id = await longConversation(w.path);
    await w.page.locator('a[aria-label="History"]').first().click();
    await w.chat.getByRole("list", { name: "Conversations" }).getByText("Ten thousand").first().click();
    await w.see("The last word.");
    const nodes = () => w.chat.locator("body").evaluate((body) => body.querySelectorAll("*").length);
    assert.ok((await nodes()) < 4000, `${await nodes()} nodes`);
    await w.shot("long");
    const box = await w.chat.getByRole("log").or(w.chat.locator(".log, .transcript, [role=feed]")).first().boundingBox();
    await w.page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    for (let i = 0; i < 30; i++) await w.page.mouse.wheel(0, -2000);
    await until("it has scrolled", async () => !(await w.chat.getByText("The last word.").first().isVisible()));
    assert.ok((await nodes()) < 4000, `${await nodes()} nodes`);
    await w.shot("long-scrolled");
    assert.ok(id);
    return w;
  },

  async "the same view in an editor tab"() {
    const w = await start({ "greet.sh": 'echo "Hello"\n' }, { width: 1400, height: 1000 });
    await w.say("Greet in French");
    await w.see("Finished");
    await w.command("Agent RPC: Open Chat in Editor");
    const tab = w.page.locator(".tab", { hasText: /Greet in French|Agent RPC/ });
    await tab.first().waitFor();
    await w.page.locator("iframe.webview.ready").nth(1).waitFor();
    await until("the tab shows it", async () => {
      for (const frame of await w.page.locator("iframe.webview.ready").all()) {
        const inner = frame.contentFrame().frameLocator("iframe#active-frame");
        if ((await inner.getByText("It greets in").count()) && (await frame.boundingBox())?.width > 600) return true;
      }
      return false;
    });
    await w.shot("editor-tab");
    return w;
  },
};

/** Holds a conversation of ten thousand events with the server itself, in the place where the window will find it. */
async function longConversation(folder) {
  // Many calls in a step: the model reads the whole history before each.
  const calls = JSON.stringify(Array(100).fill({ task_tracker: { command: "view", security_risk: "LOW" } }));
  const file = join(vs.home, "long.script");
  const text = JSON.stringify(Array.from({ length: 60 }, (_, i) => `- line ${i + 1}`).join("\n"));
  writeFileSync(file, `{"repeat": 50, "text": ${text}, "calls": ${calls}}\n{"text": "The last word."}\n`);
  const server = spawn(
    execFileSync("sh", ["-c", `ls -d ${vs.home}/extensions/*/bin/agent-rpc`])
      .toString()
      .trim(),
    [],
    {
      env: { ...vs.env, LLM_MODEL: `scripted/${file}` },
      stdio: ["pipe", "pipe", "ignore"],
    },
  );
  let data = Buffer.alloc(0);
  const waiting = new Map();
  let last = 0;
  server.stdout.on("data", (chunk) => {
    data = Buffer.concat([data, chunk]);
    for (;;) {
      const head = data.indexOf("\r\n\r\n");
      if (head < 0) return;
      const length = Number(/Content-Length: (\d+)/.exec(data.subarray(0, head).toString())[1]);
      if (data.length < head + 4 + length) return;
      const message = JSON.parse(data.subarray(head + 4, head + 4 + length).toString());
      data = data.subarray(head + 4 + length);
      if (message.id !== undefined && !message.method) waiting.get(message.id)?.(message);
    }
  });
  const send = (message) => {
    const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
    server.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
    server.stdin.write(body);
  };
  const call = (method, params) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, ({ result, error }) => (error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result)));
      send({ id, method, params });
    });
  try {
    await call("initialize", { processId: process.pid, capabilities: {}, initializationOptions: { agentRpc: { versions: [1] } } });
    send({ method: "initialized", params: {} });
    const { conversation } = await call("conversation/create", {
      workspace: `file://${folder}`,
      title: "Ten thousand",
      stuckDetection: false,
      agent: { condenser: { kind: "NoOpCondenser" } },
    });
    await call("conversation/sendMessage", { id: conversation.id, message: "Go on for long" });
    await call("conversation/run", { id: conversation.id, wait: true });
    assert.ok((await call("conversation/state", { id: conversation.id })).cursor.seq >= 10_000);
    await call("shutdown", {});
    send({ method: "exit" });
    return conversation.id;
  } finally {
    server.stdin.end();
  }
}

async function run(names) {
  let failed = 0;
  for (const name of names) {
    const began = Date.now();
    let w;
    const before = web.contexts().length;
    try {
      w = await cases[name]();
      assert.deepEqual(w.errors, []);
      console.log(`ok   ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (e) {
      failed++;
      console.log(`FAIL ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)\n${e.stack ?? e}`);
      const page = web.contexts().at(-1)?.pages()[0];
      if (page && web.contexts().length > before)
        await page.screenshot({ path: join(shots, `FAIL ${name.replaceAll(/\W+/g, "-")}.png`) }).catch(() => undefined);
      for (const file of logs()) console.log(`--- ${file}\n${readFileSync(file, "utf8").split("\n").slice(-15).join("\n")}`);
      vs.settings({});
    }
    for (const context of web.contexts()) await context.close();
  }
  return failed;
}

function logs() {
  const root = join(vs.home, "data/logs");
  return readdirSync(root, { recursive: true })
    .filter((name) => /agent-rpc\/.*\.log$/.test(name))
    .map((name) => join(root, name))
    .slice(-2);
}

/** A first run: no model, no key. */
async function firstRun() {
  const folder = vs.folder("first", { "a.txt": "a" });
  const w = await Window.open(web, vs, folder, { shots });
  await w.page.locator('.activitybar a[aria-label^="Agent RPC"]').click();
  await w.chat.getByText("Set up Agent RPC").waitFor();
  await w.shot("first-run");
  await w.chat.getByText("Try the scripted demo").click();
  await w.page.getByText("Agent RPC demo").first().waitFor();
  await w.page.locator(".xterm-rows", { hasText: "Approve?" }).waitFor();
  await w.shot("demo");
  return w;
}

let failed = 0;
let total = 0;
web = await browser(chromium);
try {
  const names = Object.keys(cases).filter((name) => !only || name.includes(only));
  vs = await Code.start({ node, code, vsix, script });
  total += names.length;
  failed += await run(names);
  vs.stop();
  if (!only || "first run".includes(only)) {
    cases["first run"] = firstRun;
    vs = await Code.start({ node, code, vsix, script, env: { LLM_MODEL: "" } });
    total += 1;
    failed += await run(["first run"]);
  }
} finally {
  await web.close();
  vs?.stop();
}
console.log(`${total - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
