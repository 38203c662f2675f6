/** Documents that are no files: what a file was before the agent, what an action would make of it, and a transcript as text. */
import * as vscode from "vscode";
import type { Info, SeqEvent } from "../protocol";
import { type Conversations, titleOf } from "./conversations";
import type { Server } from "./server";

/** The schemes of these documents. */
export const schemes = { baseline: "agent-rpc-baseline", proposed: "agent-rpc-proposed", transcript: "agent-rpc-transcript" };

/** The URI of what a file was before the agent changed it, for a conversation. */
export const baselineUri = (id: string, uri: vscode.Uri) =>
  uri.with({ scheme: schemes.baseline, query: JSON.stringify({ id, uri: uri.toString() }) });

/** The URI of a conversation as Markdown. */
export const transcriptUri = (info: Info) =>
  vscode.Uri.from({ scheme: schemes.transcript, path: `/${titleOf(info).replaceAll("/", " ")}.md`, query: info.id });

export class Documents implements vscode.Disposable, vscode.TextDocumentContentProvider {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly subscriptions: vscode.Disposable[];
  private readonly proposed = new Map<string, string>();

  readonly onDidChange = this.changed.event;

  constructor(
    private readonly server: Server,
    private readonly conversations: Conversations,
  ) {
    this.subscriptions = [this.changed, ...Object.values(schemes).map((s) => vscode.workspace.registerTextDocumentContentProvider(s, this))];
    // What is kept moves the content before; a run that ended makes the transcript longer.
    this.subscriptions.push(
      conversations.onChange(({ info, before }) => {
        const counts = JSON.stringify(info.changes) !== JSON.stringify(before?.changes);
        for (const { uri } of vscode.workspace.textDocuments) {
          if (uri.scheme === schemes.baseline && counts) this.changed.fire(uri);
          if (uri.scheme === schemes.transcript && uri.query === info.id && info.cursor?.seq !== before?.cursor?.seq) this.changed.fire(uri);
        }
      }),
    );
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    if (uri.scheme === schemes.proposed) return this.proposed.get(uri.toString()) ?? "";
    if (uri.scheme === schemes.transcript) return this.transcript(uri.query);
    const { id, uri: file } = JSON.parse(uri.query) as { id: string; uri: string };
    const before = await this.server.request("conversation/baseline", { id, uri: file });
    return before.text ?? "";
  }

  /** Opens the native diff of a file: before what is not kept, against the file now. */
  async openDiff(id: string, uri: vscode.Uri, line?: number): Promise<void> {
    const left = baselineUri(id, uri);
    this.changed.fire(left);
    let right = uri;
    try {
      await vscode.workspace.fs.stat(uri);
    } catch {
      right = this.keep(uri, "now", ""); // it was deleted
    }
    const at = line ? new vscode.Range(line - 1, 0, line - 1, 0) : undefined;
    const name = vscode.workspace.asRelativePath(uri);
    await vscode.commands.executeCommand("vscode.diff", left, right, `${name} (before the agent ↔ now)`, { preview: true, selection: at });
  }

  private keep(uri: vscode.Uri, side: string, text: string): vscode.Uri {
    const made = uri.with({ scheme: schemes.proposed, query: side });
    this.proposed.set(made.toString(), text);
    this.changed.fire(made);
    return made;
  }

  /** Opens the native diff of what an action that waits would do. */
  async openProposed(id: string, requestId: string, actionId: string): Promise<void> {
    const info = await this.conversations.state(id);
    const action = info.pending.find((p) => p.requestId === requestId)?.actions.find((a) => a.actionId === actionId);
    if (!action?.diff) throw new Error("This action changes no file, or is decided.");
    const { path, oldText, newText } = action.diff;
    const uri = vscode.Uri.file(path);
    const left = this.keep(uri, `before ${actionId}`, oldText ?? "");
    const right = this.keep(uri, `after ${actionId}`, newText);
    await vscode.commands.executeCommand("vscode.diff", left, right, `${vscode.workspace.asRelativePath(uri)} (proposed)`, { preview: true });
  }

  /** A whole conversation as Markdown. */
  async transcript(id: string): Promise<string> {
    const info = await this.conversations.state(id);
    const out = [`# ${titleOf(info)}`, "", `${vscode.Uri.parse(info.workspace).fsPath} · ${info.model || "no model"} · ${info.createdAt}`, ""];
    let after = 0;
    for (;;) {
      const { events, next } = await this.server.request("conversation/events", { id, after, limit: 500 });
      for (const event of events) out.push(...lines(event));
      if (!next) break;
      after = next;
    }
    if (info.stopReason) out.push(`*${info.stopReason.replaceAll("_", " ")}*`, "");
    return out.join("\n");
  }

  dispose(): void {
    for (const s of this.subscriptions) s.dispose();
  }
}

type Content = { type?: string; text?: string };
const textOf = (content: unknown): string => {
  if (typeof content === "string") return content;
  return Array.isArray(content) ? (content as Content[]).map((c) => c.text ?? (c.type === "image" ? "[image]" : "")).join("\n") : "";
};
const fence = (text: string) => {
  const ticks = "`".repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map((m) => m[0].length + 1)));
  return [ticks, text.replace(/\n$/, ""), ticks, ""];
};

// The lines of an event that a reader wants to have.
function lines({ event, display }: SeqEvent): string[] {
  const e = event as Record<string, unknown> & { kind: string; source?: string };
  const title = display?.title ?? "";
  switch (e.kind) {
    case "MessageEvent": {
      const message = e["llm_message"] as { content?: unknown } | undefined;
      const who = e.source === "user" ? "You" : e.source === "agent" ? "Agent" : "To the agent";
      return [`## ${who}`, "", textOf(message?.content), ""];
    }
    case "ActionEvent": {
      const thought = textOf(e["thought"]).trim();
      const action = e["action"] as { command?: string; kind?: string; message?: string } | null;
      if (action?.kind === "FinishAction") return [...(thought ? [thought, ""] : []), action.message ?? "", ""];
      const command = action?.kind === "TerminalAction" || action?.kind === "ExecuteBashAction" ? fence(`$ ${action.command ?? ""}`) : [];
      return [...(thought ? [thought, ""] : []), `### ${title || String(e["tool_name"])}`, "", ...command];
    }
    case "ObservationEvent": {
      const observation = e["observation"] as { content?: unknown } | undefined;
      const text = textOf(observation?.content).trim();
      return text ? fence(text) : [];
    }
    case "AgentErrorEvent":
      return [`**Failed:** ${String(e["error"] ?? title)}`, ""];
    case "UserRejectObservation":
      return [`**Rejected:** ${String(e["rejection_reason"] ?? "")}`, ""];
    case "ConversationErrorEvent":
      return [`**Error:** ${String(e["detail"] ?? title)}`, ""];
    case "PauseEvent":
      return ["*Paused*", ""];
    case "InterruptEvent":
      return ["*Stopped*", ""];
    default:
      return [];
  }
}
