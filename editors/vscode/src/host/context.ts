/** What is open, selected and wrong in the editor: offered to be sent along, and never sent by itself. */
import * as vscode from "vscode";
import type { Context, Diagnostic, Range, Share } from "../messages";

export const rangeOf = (range: vscode.Range): Range => ({
  start: { line: range.start.line, character: range.start.character },
  end: { line: range.end.line, character: range.end.character },
});

const severities = [1, 2, 3, 4]; // vscode counts from 0, LSP from 1

export function diagnosticOf(d: vscode.Diagnostic): Diagnostic {
  const code = typeof d.code === "object" ? d.code.value : d.code;
  return { range: rangeOf(d.range), severity: severities[d.severity], source: d.source, code, message: d.message };
}

/** The errors and warnings of a file. */
export function problemsOf(uri: vscode.Uri, range?: vscode.Range): Diagnostic[] {
  return vscode.languages
    .getDiagnostics(uri)
    .filter((d) => d.severity <= vscode.DiagnosticSeverity.Warning && (!range || d.range.intersection(range)))
    .slice(0, 50)
    .map(diagnosticOf);
}

/** The selection of an editor as something to share; undefined where nothing is selected. */
export function selectionOf(editor: vscode.TextEditor): Share | undefined {
  if (editor.selection.isEmpty) return undefined;
  const { document, selection } = editor;
  return { type: "selection", uri: document.uri.toString(), range: rangeOf(selection), text: document.getText(selection) };
}

const shareable = (editor: vscode.TextEditor | undefined) => (editor?.document.uri.scheme === "file" ? editor : undefined);

export class EditorContext implements vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<Context>();
  private readonly subscriptions: vscode.Disposable[];
  private timer: NodeJS.Timeout | undefined;
  private told = "";
  // The last editor with a file: the focus moves to the view when the user writes.
  private last: vscode.TextEditor | undefined = shareable(vscode.window.activeTextEditor);

  readonly onChange = this.changes.event;

  constructor() {
    this.subscriptions = [
      this.changes,
      vscode.window.onDidChangeActiveTextEditor((editor) => {
        this.last = shareable(editor) ?? this.last;
        this.soon();
      }),
      vscode.window.onDidChangeVisibleTextEditors(() => this.soon()),
      vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => textEditor === this.last && this.soon()),
      vscode.languages.onDidChangeDiagnostics(({ uris }) => {
        if (uris.some((uri) => uri.toString() === this.last?.document.uri.toString())) this.soon();
      }),
    ];
  }

  /** The editor that the user was in last; undefined when it is closed. */
  get editor(): vscode.TextEditor | undefined {
    return this.last && vscode.window.visibleTextEditors.includes(this.last) ? this.last : shareable(vscode.window.activeTextEditor);
  }

  get(): Context {
    const editor = this.editor;
    if (!editor) return {};
    const uri = editor.document.uri.toString();
    const selection = selectionOf(editor);
    const items = problemsOf(editor.document.uri);
    return {
      file: { uri, languageId: editor.document.languageId },
      ...(selection?.type === "selection" && { selection: { uri, range: selection.range, text: selection.text } }),
      ...(items.length > 0 && { problems: { uri, items } }),
    };
  }

  private soon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const context = this.get();
      const text = JSON.stringify(context);
      if (text !== this.told) {
        this.told = text;
        this.changes.fire(context);
      }
    }, 100);
  }

  dispose(): void {
    clearTimeout(this.timer);
    for (const s of this.subscriptions) s.dispose();
  }
}
