/** What the agent has changed: a tree of files, the diff of each, keep and undo per file and per hunk, in the tree and above the hunks in the editor. */
import * as vscode from "vscode";
import type { FileChange, Hunk } from "../protocol";
import { type Conversations, titleOf } from "./conversations";
import type { Documents } from "./documents";
import { tell } from "./pickers";
import type { Server } from "./server";
import * as settings from "./settings";

/** Node is a file of the tree, with the conversation that it belongs to. */
export interface Node {
  id: string;
  file: FileChange;
}

const letters: Record<string, string> = { added: "A", modified: "M", deleted: "D", renamed: "R" };

export class Changes implements vscode.Disposable, vscode.TreeDataProvider<Node>, vscode.CodeLensProvider {
  private files: FileChange[] = [];
  private id: string | undefined;
  private counts = "";
  private asked = 0;
  private readonly tree: vscode.TreeView<Node>;
  private readonly treeChanged = new vscode.EventEmitter<void>();
  private readonly lensesChanged = new vscode.EventEmitter<void>();
  private readonly subscriptions: vscode.Disposable[];

  readonly onDidChangeTreeData = this.treeChanged.event;
  readonly onDidChangeCodeLenses = this.lensesChanged.event;

  constructor(
    private readonly server: Server,
    private readonly conversations: Conversations,
    private readonly documents: Documents,
  ) {
    this.tree = vscode.window.createTreeView("agentRpc.changes", { treeDataProvider: this });
    this.subscriptions = [
      this.tree,
      this.treeChanged,
      this.lensesChanged,
      vscode.languages.registerCodeLensProvider({ scheme: "file" }, this),
      conversations.onChange(({ info }) => {
        const shown = conversations.shown;
        if (info.id === "" || info.id === shown?.id) this.refresh();
      }),
      vscode.workspace.onDidSaveTextDocument(() => this.refresh(true)),
      vscode.workspace.onDidChangeConfiguration((e) => e.affectsConfiguration("agentRpc.changes") && this.lensesChanged.fire()),
    ];
  }

  /** Reads the changes anew, where the state says that they are others. */
  private refresh(anyway = false): void {
    const shown = this.conversations.shown;
    const counts = shown ? `${shown.id} ${JSON.stringify(shown.changes)}` : "";
    if (counts === this.counts && !(anyway && this.files.length > 0)) return;
    this.counts = counts;
    this.id = shown?.id;
    if (!shown || shown.changes.files === 0) return this.put([]);
    const n = ++this.asked;
    this.server.request("conversation/changes", { id: shown.id }).then(
      ({ files }) => n === this.asked && this.put(files),
      () => undefined, // the state tells when there is something again
    );
  }

  private put(files: FileChange[]): void {
    this.files = files;
    const shown = this.conversations.shown;
    this.tree.description = files.length > 0 && shown ? titleOf(shown) : undefined;
    void vscode.commands.executeCommand("setContext", "agentRpc.changed", files.length > 0);
    this.treeChanged.fire();
    this.lensesChanged.fire();
  }

  getChildren(node?: Node): Node[] {
    const id = this.id;
    return node || !id ? [] : this.files.map((file) => ({ id, file }));
  }

  getTreeItem({ id, file }: Node): vscode.TreeItem {
    const uri = vscode.Uri.parse(file.uri);
    const item = new vscode.TreeItem(uri);
    const folder = vscode.workspace.asRelativePath(uri).split("/").slice(0, -1).join("/");
    const counts = file.binary ? "binary" : `+${file.additions} −${file.deletions}`;
    item.id = `${id} ${file.uri}`;
    item.description = `${letters[file.status] ?? "?"} ${counts}${folder ? ` · ${folder}` : ""}`;
    item.tooltip = `${uri.fsPath}\n${file.status}, ${counts}`;
    item.contextValue = "agentRpc.file";
    item.accessibilityInformation = {
      label: `${vscode.workspace.asRelativePath(uri)}, ${file.status}, ${file.additions} lines added, ${file.deletions} removed`,
    };
    item.command = { command: "agentRpc.changes.diff", title: "Open Changes", arguments: [{ id, file }] };
    return item;
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const id = this.id;
    const file = this.files.find((f) => vscode.Uri.parse(f.uri).fsPath === document.uri.fsPath);
    // With unsaved changes of the user the lines are others.
    if (!id || !file || document.isDirty || !settings.codeLens()) return [];
    return file.hunks.flatMap((hunk) => {
      const line = Math.min(Math.max(hunk.newStart - 1, 0), document.lineCount - 1);
      const range = new vscode.Range(line, 0, line, 0);
      const lens = (title: string, command: string, tooltip: string) =>
        new vscode.CodeLens(range, { title, command, tooltip, arguments: [{ id, file }, hunk] });
      return [
        lens(`Keep ${counted(hunk)}`, "agentRpc.changes.keepHunk", "Keep this change of the agent"),
        lens("Undo", "agentRpc.changes.undoHunk", "Take this change of the agent back"),
        lens("Diff", "agentRpc.changes.diff", "Compare the file with what it was"),
      ];
    });
  }

  /** Moves the content before forward: all files, one, or one hunk of it. */
  async keep(id: string, file?: FileChange, hunk?: Hunk): Promise<void> {
    await this.server.request("conversation/keepChanges", { id, uri: file?.uri, hunks: hunk && [hunk.id] });
  }

  /** Takes changes back. What the user changed since stays, and is told. Buffers that had nothing unsaved are saved. */
  async undo(id: string, file?: FileChange, hunk?: Hunk): Promise<void> {
    const clean = vscode.workspace.textDocuments.filter((d) => d.uri.scheme === "file" && !d.isDirty);
    const { conflicts } = await this.server.request("conversation/undoChanges", { id, uri: file?.uri, hunks: hunk && [hunk.id] });
    await Promise.all(clean.filter((d) => d.isDirty).map((d) => d.save()));
    if (conflicts.length > 0) {
      const names = [...new Set(conflicts.map((c) => vscode.workspace.asRelativePath(vscode.Uri.parse(c.uri))))].join(", ");
      void vscode.window.showWarningMessage(`Changed since, and left as it is: ${names}`);
    }
  }

  /** Takes all back, after a question. */
  async undoAll(): Promise<void> {
    const id = this.id;
    if (!id || this.files.length === 0) return;
    const what = this.files.length === 1 ? "in 1 file" : `in ${this.files.length} files`;
    const yes = await vscode.window.showWarningMessage(
      `Undo all changes of the agent ${what}?`,
      { modal: true, detail: "What you have changed since stays." },
      "Undo All",
    );
    if (yes) await this.undo(id);
  }

  async keepAll(): Promise<void> {
    if (this.id) await this.keep(this.id);
  }

  /** Goes to the next change in the file that is open, or to the first file. */
  async next(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const file = this.files.find((f) => vscode.Uri.parse(f.uri).fsPath === editor?.document.uri.fsPath);
    const hunk = file?.hunks.find((h) => h.newStart - 1 > (editor?.selection.active.line ?? -1));
    if (editor && hunk) {
      const at = new vscode.Position(hunk.newStart - 1, 0);
      editor.selection = new vscode.Selection(at, at);
      editor.revealRange(new vscode.Range(at, at), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
      return;
    }
    const after = this.files[(file ? this.files.indexOf(file) + 1 : 0) % Math.max(this.files.length, 1)];
    if (after && this.id) await this.documents.openDiff(this.id, vscode.Uri.parse(after.uri));
  }

  /** The commands of the tree and of the lenses. */
  commands(): Record<string, (...args: never[]) => unknown> {
    const guarded =
      <A extends unknown[]>(act: (...args: A) => Promise<void>) =>
      (...args: A) =>
        act(...args).catch(tell);
    return {
      "agentRpc.changes.diff": guarded((node: Node, hunk?: Hunk) =>
        this.documents.openDiff(node.id, vscode.Uri.parse(node.file.uri), hunk?.newStart),
      ),
      "agentRpc.changes.open": guarded(async (node: Node) => {
        await vscode.window.showTextDocument(vscode.Uri.parse(node.file.uri));
      }),
      "agentRpc.changes.keep": guarded((node: Node) => this.keep(node.id, node.file)),
      "agentRpc.changes.undo": guarded((node: Node) => this.undo(node.id, node.file)),
      "agentRpc.changes.keepHunk": guarded((node: Node, hunk: Hunk) => this.keep(node.id, node.file, hunk)),
      "agentRpc.changes.undoHunk": guarded((node: Node, hunk: Hunk) => this.undo(node.id, node.file, hunk)),
      "agentRpc.changes.keepAll": guarded(() => this.keepAll()),
      "agentRpc.changes.undoAll": guarded(() => this.undoAll()),
      "agentRpc.changes.next": guarded(() => this.next()),
    };
  }

  dispose(): void {
    for (const s of this.subscriptions) s.dispose();
  }
}

function counted({ text }: Hunk): string {
  const lines = text.split("\n");
  const added = lines.filter((l) => l.startsWith("+")).length;
  const removed = lines.filter((l) => l.startsWith("-")).length;
  return `+${added} −${removed}`;
}
