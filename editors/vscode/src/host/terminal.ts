/** A read-only terminal that shows the commands of a conversation and their output, as the agent's own shell has them. */
import * as vscode from "vscode";
import { type Conversations, titleOf } from "./conversations";
import type { Notification, Server } from "./server";

type Action = { kind?: string; command?: string; is_input?: boolean } | null;

class Mirror implements vscode.Pseudoterminal {
  private readonly written = new vscode.EventEmitter<string>();
  private readonly ended = new vscode.EventEmitter<void>();
  private readonly streamed = new Set<string>(); // calls whose output came while they ran
  private readonly calls = new Set<string>(); // calls of the terminal tool
  readonly onDidWrite = this.written.event;
  readonly onDidClose = this.ended.event;

  constructor(
    private readonly server: Server,
    private readonly id: string,
    private readonly close_: () => void,
  ) {}

  async open(): Promise<void> {
    this.put("\x1b[2mWhat the agent runs, read only. Input goes to the conversation.\x1b[0m\n");
    try {
      const { events } = await this.server.request("conversation/events", { id: this.id, before: Number.MAX_SAFE_INTEGER, limit: 200 });
      for (const { event } of events) this.event(event);
    } catch {
      // It shows what comes from now on.
    }
  }

  close(): void {
    this.close_();
  }

  handleInput(): void {
    // Read only.
  }

  private put(text: string): void {
    this.written.fire(text.replaceAll(/\r?\n/g, "\r\n"));
  }

  private event(raw: unknown): void {
    const e = raw as Record<string, unknown> & { kind?: string; tool_call_id?: string };
    const call = String(e.tool_call_id ?? "");
    if (e.kind === "ActionEvent" && e["tool_name"] === "terminal") {
      const action = e["action"] as Action;
      this.calls.add(call);
      if (action?.command) this.put(`\x1b[1m${action.is_input ? "> " : "$ "}${action.command}\x1b[0m\n`);
    } else if (e.kind === "ObservationEvent" && this.calls.has(call)) {
      const observation = e["observation"] as { content?: Array<{ text?: string }>; exit_code?: number } | undefined;
      if (!this.streamed.has(call)) this.put(`${(observation?.content ?? []).map((c) => c.text ?? "").join("\n")}\n`);
      else this.put("\n");
      if (observation?.exit_code) this.put(`\x1b[31mexit ${observation.exit_code}\x1b[0m\n`);
    }
  }

  heard({ method, params }: Notification): void {
    if (method === "conversation/event" && !params["replay"]) this.event(params["event"]);
    if (method === "conversation/delta" && params["stream"] === "stdout") {
      this.streamed.add(String((params["target"] as { toolCallId?: string }).toolCallId ?? ""));
      this.put(String(params["text"]));
    }
  }
}

export class Terminals implements vscode.Disposable {
  private readonly open_ = new Map<string, { mirror: Mirror; terminal: vscode.Terminal }>();
  private readonly subscription: vscode.Disposable;

  constructor(
    private readonly server: Server,
    private readonly conversations: Conversations,
  ) {
    this.subscription = server.onNotification((n) => this.open_.get(n.params.id ?? "")?.mirror.heard(n));
  }

  /** Shows the terminal of a conversation, without taking the focus. */
  async show(id: string): Promise<void> {
    const there = this.open_.get(id);
    if (there) return there.terminal.show(true);
    const info = await this.conversations.state(id);
    const mirror = new Mirror(this.server, id, () => this.open_.delete(id));
    const terminal = vscode.window.createTerminal({ name: `Agent: ${titleOf(info)}`, pty: mirror, iconPath: new vscode.ThemeIcon("eye") });
    this.open_.set(id, { mirror, terminal });
    terminal.show(true);
  }

  dispose(): void {
    this.subscription.dispose();
    for (const { terminal } of this.open_.values()) terminal.dispose();
  }
}
