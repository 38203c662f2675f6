/** Tests that run inside a real extension host, against the real server. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import type { Api } from "../../src/extension";
import type { FileChange, Info } from "../../src/protocol";

const extension = vscode.extensions.getExtension<Api>("agent-rpc.agent-rpc");
const folder = vscode.workspace.workspaceFolders![0]!.uri;
let api: Api;

const path = (name: string) => join(folder.fsPath, name);
const uri = (name: string) => vscode.Uri.joinPath(folder, name);
const onDisk = (name: string) => readFileSync(path(name), "utf8");

/** Waits until something is true, looked at often, and gives it. */
async function until<T>(what: string, look: () => T | Promise<T>): Promise<NonNullable<T>> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const seen = await look();
    if (seen) return seen as NonNullable<T>;
    if (Date.now() > deadline) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function create(more: Record<string, unknown> = {}): Promise<Info> {
  const { conversation } = await api.server.request("conversation/create", { workspace: folder.toString(), ...more } as never);
  api.conversations.keep(conversation);
  api.conversations.show(conversation.id);
  return conversation;
}

/** Says something and waits until the run has ended. */
async function say(id: string, message: string): Promise<void> {
  await api.server.request("conversation/sendMessage", { id, message });
  await api.server.request("conversation/run", { id, wait: true });
}

async function edit(name: string, text: string): Promise<vscode.TextDocument> {
  writeFileSync(path(name), text);
  const document = await vscode.workspace.openTextDocument(uri(name));
  await vscode.window.showTextDocument(document);
  return document;
}

async function type(document: vscode.TextDocument, text: string): Promise<void> {
  const change = new vscode.WorkspaceEdit();
  change.insert(document.uri, new vscode.Position(0, 0), text);
  assert.ok(await vscode.workspace.applyEdit(change));
}

const changesOf = async (id: string): Promise<FileChange[]> => (await api.server.request("conversation/changes", { id })).files;

/** Ids of the servers that this extension host has started. */
function processes(): number[] {
  const out = execFileSync("ps", ["-o", "pid=,comm=", "--ppid", String(process.pid)], { encoding: "utf8" });
  return [...out.matchAll(/^ *(\d+) agent-rpc$/gm)].map((m) => Number(m[1]));
}

const list = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n";

const tests: Record<string, () => Promise<void>> = {
  async "activation takes less than 30 ms of its own time, and starts nothing"() {
    assert.ok(extension, "the extension is there");
    api = await extension.activate();
    assert.ok(api.activation < 30, `${api.activation.toFixed(1)} ms`);
    assert.equal(api.server.state.state, "stopped");
    assert.deepEqual(processes(), []);
  },

  async "each command of the manifest is there"() {
    const there = new Set(await vscode.commands.getCommands(true));
    const all = (extension!.packageJSON.contributes.commands as Array<{ command: string }>).map((c) => c.command);
    assert.ok(all.length > 20);
    assert.deepEqual(
      all.filter((command) => !there.has(command)),
      [],
    );
    const keys = extension!.packageJSON.contributes.keybindings as Array<{ when?: string }>;
    assert.ok(keys.length <= 3 && keys.every((key) => key.when));
  },

  async "a buffer with unsaved changes is edited with minimal hunks, in one undo step"() {
    const document = await edit("dirty.txt", list);
    await type(document, "zero, ");
    const { id } = await create();
    const changes: vscode.TextDocumentContentChangeEvent[][] = [];
    const heard = vscode.workspace.onDidChangeTextDocument((e) => e.document === document && changes.push([...e.contentChanges]));
    await say(id, "replace dirty.txt seven 7");
    heard.dispose();
    assert.equal(document.getText(), `zero, ${list.replace("seven", "7")}`);
    assert.equal(document.isDirty, true);
    assert.equal(onDisk("dirty.txt"), list);
    const edits = changes.filter((c) => c.length > 0);
    assert.equal(edits.length, 1);
    assert.ok(edits[0]!.every((c) => c.range.start.line >= 6 && c.range.end.line <= 7));
    await vscode.commands.executeCommand("undo");
    assert.equal(document.getText(), `zero, ${list}`);
    await vscode.commands.executeCommand("workbench.action.files.revert");
  },

  async "an open buffer without changes follows the disk"() {
    const document = await edit("clean.txt", list);
    const { id } = await create();
    await say(id, "replace clean.txt two 2");
    assert.equal(onDisk("clean.txt"), list.replace("two", "2"));
    await until("the buffer follows", () => document.getText() === list.replace("two", "2"));
    assert.equal(document.isDirty, false);
  },

  async "undo of one hunk, then of all, leaves buffer and disk as they were, saved"() {
    const document = await edit("undo.txt", list);
    const { id } = await create();
    await say(id, "replace undo.txt two 2");
    await say(id, "replace undo.txt nine 9");
    await until("the buffer follows", () => document.getText().includes("9"));
    const [file] = await changesOf(id);
    assert.equal(file!.hunks.length, 2);
    await api.changes.undo(id, file, file!.hunks[0]);
    assert.equal(onDisk("undo.txt"), list.replace("nine", "9"));
    await until("the buffer follows", () => document.getText() === list.replace("nine", "9") && !document.isDirty);
    await api.changes.undo(id);
    assert.equal(onDisk("undo.txt"), list);
    await until("the buffer follows", () => document.getText() === list && !document.isDirty);
    assert.deepEqual(await changesOf(id), []);
  },

  async "kept changes are changes no more; what a command made counts"() {
    const { id } = await create();
    await say(id, "run echo made > made.txt");
    const files = await changesOf(id);
    assert.deepEqual(
      files.map((f) => [f.status, f.additions]),
      [["added", 1]],
    );
    await api.changes.keep(id, files[0]);
    assert.deepEqual(await changesOf(id), []);
    assert.equal(onDisk("made.txt"), "made\n");
  },

  async "a lens with Keep and Undo stands above each hunk; none while there is unsaved text"() {
    const document = await edit("lens.txt", list);
    const { id } = await create();
    await say(id, "replace lens.txt two 2");
    await say(id, "replace lens.txt nine 9");
    const lenses = () => vscode.commands.executeCommand<vscode.CodeLens[]>("vscode.executeCodeLensProvider", document.uri, 10);
    const seen = await until("lenses", async () => {
      const all = (await lenses()).filter((lens) => lens.command?.command.startsWith("agentRpc."));
      return all.length === 6 ? all : undefined;
    });
    assert.deepEqual([...new Set(seen.map((lens) => lens.range.start.line))], [1, 8]);
    const undo = seen.find((lens) => lens.command!.command === "agentRpc.changes.undoHunk")!;
    await vscode.commands.executeCommand(undo.command!.command, ...undo.command!.arguments!);
    assert.equal(onDisk("lens.txt"), list.replace("nine", "9"));
    await type(document, "zero, ");
    assert.deepEqual(
      (await lenses()).filter((lens) => lens.command?.command.startsWith("agentRpc.")),
      [],
    );
    await vscode.commands.executeCommand("workbench.action.files.revert");
  },

  async "the diff is the editor's own, against what the file was"() {
    await edit("diff.txt", list);
    const { id } = await create();
    await say(id, "replace diff.txt two 2");
    const [file] = await changesOf(id);
    await vscode.commands.executeCommand("agentRpc.changes.diff", { id, file });
    const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
    assert.ok(input instanceof vscode.TabInputTextDiff);
    assert.equal((await vscode.workspace.openTextDocument(input.original)).getText(), list);
    assert.equal(input.modified.toString(), uri("diff.txt").toString());
  },

  async "what waits is run only when it is approved"() {
    const { id } = await create({ confirmationPolicy: { kind: "ConfirmRisky" }, securityAnalyzer: { kind: "LLMSecurityAnalyzer" } });
    writeFileSync(path("victim.txt"), "x");
    await api.server.request("conversation/sendMessage", { id, message: "risk rm victim.txt", run: true });
    const waiting = await until("it waits", () => api.conversations.get(id)?.pending[0]);
    assert.equal(existsSync(path("victim.txt")), true);
    await api.server.request("conversation/confirm", { id, requestId: waiting.requestId, decision: "reject", reason: "no" });
    await until("it has ended", () => api.conversations.get(id)?.status === "finished");
    assert.equal(existsSync(path("victim.txt")), true);
  },

  async "a secret comes from the secret store, when a command names it, and into no setting"() {
    await api.secrets.set("HOST_TOKEN", "s3cret-value-of-17");
    try {
      const { id } = await create({ secrets: { HOST_TOKEN: { kind: "ClientSecret" } } });
      await say(id, 'run printf %s "$HOST_TOKEN" | wc -c > length.txt');
      assert.equal(onDisk("length.txt").trim(), "18");
      assert.deepEqual(api.secrets.names(), ["HOST_TOKEN"]);
      assert.ok(!JSON.stringify(vscode.workspace.getConfiguration("agentRpc")).includes("s3cret"));
    } finally {
      await api.secrets.delete("HOST_TOKEN");
    }
    assert.equal(await api.secrets.get("HOST_TOKEN"), undefined);
  },

  async "a problem has the code action Fix with Agent"() {
    const document = await edit("problem.txt", "wrong\n");
    const problems = vscode.languages.createDiagnosticCollection("test");
    const range = new vscode.Range(0, 0, 0, 5);
    problems.set(document.uri, [new vscode.Diagnostic(range, "This is wrong", vscode.DiagnosticSeverity.Error)]);
    const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>("vscode.executeCodeActionProvider", document.uri, range);
    const fix = actions.filter((action) => action.title === "Fix with Agent");
    assert.equal(fix.length, 1);
    assert.equal(fix[0]!.command?.command, "agentRpc.fix");
    problems.dispose();
  },

  async "a transcript is a plain document"() {
    const { id } = await create({ title: "Said" });
    await say(id, "run echo spoken");
    await vscode.commands.executeCommand("agentRpc.transcript");
    const text = vscode.window.activeTextEditor!.document.getText();
    assert.match(text, /^# Said\n/);
    assert.match(text, /## You\n\nrun echo spoken\n/);
    assert.match(text, /\$ echo spoken\n/);
    assert.match(text, /It said: spoken/);
  },

  async "a killed server is started again, and has lost nothing"() {
    const { id } = await create();
    await say(id, "run echo before");
    const before = await api.server.request("conversation/events", { id, after: 0 });
    const [pid] = processes();
    const back = new Promise<void>((resolve) => {
      const heard = api.server.onReturn(() => {
        heard.dispose();
        resolve();
      });
    });
    process.kill(pid!, "SIGKILL");
    await back;
    assert.equal(api.server.state.state, "running");
    await api.server.request("conversation/open", { id, since: "end" });
    const after = await api.server.request("conversation/events", { id, after: 0 });
    assert.deepEqual(after.events.slice(0, before.events.length), before.events);
    assert.equal(processes().length, 1);
  },

  async "a server that is not there is told, with what helps"() {
    const settings = vscode.workspace.getConfiguration("agentRpc");
    await settings.update("path", "/nowhere/agent-rpc", vscode.ConfigurationTarget.Global);
    try {
      await until("the setting holds", () => vscode.workspace.getConfiguration("agentRpc").get("path") === "/nowhere/agent-rpc");
      await api.server.restart();
      assert.equal(api.server.state.state, "missing");
      assert.match(api.server.state.message!, /\/nowhere\/agent-rpc/);
      assert.match(api.server.state.remedy!, /agentRpc\.path/);
      await assert.rejects(async () => api.server.request("agent/models", {}));
    } finally {
      await settings.update("path", undefined, vscode.ConfigurationTarget.Global);
    }
    await until("the setting is gone", () => !vscode.workspace.getConfiguration("agentRpc").get("path"));
    await api.server.restart();
    assert.equal(api.server.state.state, "running");
  },

  async "stopping leaves no process behind"() {
    await api.server.stop();
    await until("it has ended", () => processes().length === 0);
  },
};

export async function run(): Promise<void> {
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    const began = Date.now();
    try {
      await test();
      console.log(`TEST ok ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (e) {
      failed++;
      console.log(`TEST FAIL ${name}\n${e instanceof Error ? e.stack : JSON.stringify(e)}`);
    }
  }
  if (failed > 0) throw new Error(`${failed} failed`);
}
