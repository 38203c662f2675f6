/** The status bar item, the badge of the view and the notifications: what a conversation does while nobody looks at it. */
import * as vscode from "vscode";
import type { ServerState } from "../messages";
import { spent, usage } from "../model/figures";
import { busy, type Change, type Conversations, titleOf, waits } from "./conversations";
import type { Server } from "./server";
import * as settings from "./settings";

const icons: Record<string, string> = {
  running: "$(loading~spin)",
  pausing: "$(loading~spin)",
  paused: "$(debug-pause)",
  waiting_for_confirmation: "$(question)",
  waiting_for_input: "$(question)",
  finished: "$(check)",
  error: "$(error)",
  stuck: "$(warning)",
};

const words: Record<string, string> = { waiting_for_confirmation: "waits for you", waiting_for_input: "asks you" };

export class Status implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("agentRpc.status", vscode.StatusBarAlignment.Right, 90);
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly server: Server,
    private readonly conversations: Conversations,
    private readonly visible: () => boolean,
    private readonly show: (id: string) => void,
    private readonly badge: (value: number) => void,
  ) {
    this.item.name = "Agent RPC";
    this.item.command = "agentRpc.open";
    this.subscriptions = [this.item, server.onState(() => this.draw()), conversations.onChange((change) => this.changed(change))];
    this.draw();
    this.item.show();
  }

  private changed(change: Change): void {
    this.draw();
    if (change.info.id) this.tell(change);
  }

  private draw(): void {
    const broken: Partial<Record<ServerState["state"], string>> = { missing: "not found", mismatch: "wrong version", failed: "can't start" };
    const problem = broken[this.server.state.state] ?? (this.server.state.message && this.server.state.state === "stopped" ? "stopped" : undefined);
    const waiting = this.conversations.all().filter(waits).length;
    const info = this.conversations.shown;
    this.item.backgroundColor = problem
      ? new vscode.ThemeColor("statusBarItem.errorBackground")
      : waiting > 0
        ? new vscode.ThemeColor("statusBarItem.warningBackground")
        : undefined;
    if (problem) {
      this.item.text = `$(error) Agent: ${problem}`;
      this.item.tooltip = [this.server.state.message, this.server.state.remedy].filter(Boolean).join("\n");
    } else if (!info) {
      this.item.text = waiting > 0 ? `$(question) Agent: ${waiting} waiting` : "$(hubot) Agent";
      this.item.tooltip = "Open Agent RPC";
    } else {
      const word = words[info.status] ?? info.status.replaceAll("_", " ");
      this.item.text = `${icons[info.status] ?? "$(hubot)"} Agent: ${word} · ${spent(usage(info))}`;
      this.item.tooltip = [titleOf(info), info.model, waiting > 0 ? `${waiting} waiting for you` : ""].filter(Boolean).join("\n");
    }
    this.item.accessibilityInformation = { label: this.item.text.replaceAll(/\$\([^)]*\) ?/g, "") };
    this.badge(waiting);
  }

  // A run that ended or waits is told where nobody sees it.
  private tell({ info, before }: Change): void {
    if (!before || before === info) return;
    const asks = waits(info) && !before.pending.some((p) => p.requestId === info.pending[0]?.requestId);
    const ended = busy(before) && !busy(info);
    if (!asks && !ended) return;
    const how = settings.notifications();
    const seen = vscode.window.state.focused && this.visible() && this.conversations.shown?.id === info.id;
    if (how === "never" || (how === "unfocused" && seen) || info.stopReason === "interrupted" || info.stopReason === "paused") return;
    const what = asks ? (words[info.status] ?? "waits for you") : (info.stopReason ?? info.status).replaceAll("_", " ");
    const text = `${titleOf(info)}: ${what}`;
    const say = asks || info.status === "error" || info.status === "stuck" ? vscode.window.showWarningMessage : vscode.window.showInformationMessage;
    void say(text, "Show").then((chosen) => chosen && this.show(info.id));
  }

  dispose(): void {
    for (const s of this.subscriptions) s.dispose();
  }
}
