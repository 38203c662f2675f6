/** “Fix with Agent” on problems: the code action sends what is wrong, and where, to the conversation that is open. */
import * as vscode from "vscode";
import type { Share } from "../messages";
import { diagnosticOf } from "./context";

export class Fix implements vscode.CodeActionProvider {
  static readonly kinds = [vscode.CodeActionKind.QuickFix];

  provideCodeActions(document: vscode.TextDocument, _range: vscode.Range, { diagnostics, only }: vscode.CodeActionContext): vscode.CodeAction[] {
    if (diagnostics.length === 0 || (only && !only.contains(vscode.CodeActionKind.QuickFix))) return [];
    const action = new vscode.CodeAction("Fix with Agent", vscode.CodeActionKind.QuickFix);
    action.diagnostics = [...diagnostics];
    action.command = { command: "agentRpc.fix", title: action.title, arguments: [document.uri, diagnostics] };
    return [action];
  }
}

/** What is sent for problems of a file. */
export function fixMessage(uri: vscode.Uri, diagnostics: readonly vscode.Diagnostic[]): { text: string; shares: Share[] } {
  const path = vscode.workspace.asRelativePath(uri);
  const line = (diagnostics[0]?.range.start.line ?? 0) + 1;
  const text =
    diagnostics.length === 1
      ? `Fix this problem in ${path}, line ${line}: ${diagnostics[0]?.message}`
      : `Fix these ${diagnostics.length} problems in ${path}.`;
  return { text, shares: [{ type: "diagnostics", uri: uri.toString(), items: diagnostics.map(diagnosticOf) }] };
}
