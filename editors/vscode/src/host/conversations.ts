/**
 * What the extension host knows of the conversations: the newest state of each that was heard of. The views hold what was said in
 * them; here is what the status bar, the badge, the list and the notifications need.
 */
import * as vscode from "vscode";
import type { Info } from "../protocol";
import type { Notification, Server } from "./server";

/** Change is a state that was told, with the one before it. */
export interface Change {
  info: Info;
  before?: Info;
}

/** Tells whether a run goes on or waits. */
export const busy = (info: Info) => ["running", "pausing", "waiting_for_confirmation", "waiting_for_input"].includes(info.status);

/** Tells whether something waits for the user. */
export const waits = (info: Info) => info.pending.length > 0;

export const titleOf = (info: Info) => info.title || "New conversation";

export class Conversations implements vscode.Disposable {
  private readonly infos = new Map<string, Info>();
  private readonly changes = new vscode.EventEmitter<Change>();
  private readonly subscriptions: vscode.Disposable[];
  private shownId: string | undefined;

  /** A state has changed. */
  readonly onChange = this.changes.event;

  constructor(private readonly server: Server) {
    this.subscriptions = [server.onNotification((n) => this.heard(n)), this.changes];
  }

  private heard({ method, params }: Notification): void {
    if (method === "conversation/stateChanged") this.keep(params as unknown as Info);
  }

  /** Takes a state in that came as a reply. */
  keep(info: Info): void {
    const before = this.infos.get(info.id);
    this.infos.set(info.id, info);
    this.changes.fire({ info, before });
  }

  forget(id: string): void {
    this.infos.delete(id);
    if (this.shownId === id) this.shownId = undefined;
  }

  get(id: string): Info | undefined {
    return this.infos.get(id);
  }

  /** The state of a conversation, asked for where it was not heard of. */
  async state(id: string): Promise<Info> {
    const known = this.infos.get(id);
    if (known) return known;
    const info = await this.server.request("conversation/state", { id });
    this.keep(info);
    return info;
  }

  all(): Info[] {
    return [...this.infos.values()].sort((a, b) => b.updatedAt.localeCompare(a.updatedAt));
  }

  /** The conversation that a view shows, or showed last. */
  get shown(): Info | undefined {
    return this.shownId ? this.infos.get(this.shownId) : undefined;
  }

  show(id: string | null): void {
    this.shownId = id ?? undefined;
    const info = this.shown;
    if (info) this.changes.fire({ info, before: info });
    else this.changes.fire({ info: none });
  }

  dispose(): void {
    for (const s of this.subscriptions) s.dispose();
  }
}

// Stands for "no conversation" in a change.
const none = { id: "", title: "", status: "idle", pending: [], changes: { files: 0, additions: 0, deletions: 0 } } as unknown as Info;
