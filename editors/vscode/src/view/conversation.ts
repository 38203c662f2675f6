/**
 * One conversation as the server has it: its events from some point on, without a gap, and the fold of them. Opening, a gap, a new
 * epoch and older events on demand are all the same: pages of `conversation/events`, fed to the fold.
 */
import { Fold } from "../model/fold";
import type { Row } from "../model/row";
import type {
  ChangesResult,
  DeltaNotification,
  EventNotification,
  GapNotification,
  Info,
  OpenResult,
  SeqEvent,
  StateChangedNotification,
} from "../protocol";
import { type Host, Refused } from "./host";

/** How many events are asked for at first, and each time that the reader goes up. */
const firstPage = 250;
const olderPage = 500;
const maxBytes = 4 << 20;

export class Conversation {
  fold: Fold | undefined;
  /** Why it could not be opened. */
  failed: Refused | undefined;
  /** It is held by another process: what is shown is a snapshot. */
  readOnly = false;
  /** Events before these are not here yet. */
  older = false;
  loadingOlder = false;
  changes: ChangesResult | undefined;
  /** What could not be taken back, by URI: the reason. */
  conflicts = new Map<string, string>();
  /** Grows when what is shown has changed. */
  rev = 0;

  private epoch = 0;
  private events: SeqEvent[] = [];
  private from = 0;
  /** Live events that came while a page was fetched. */
  private waiting: EventNotification[] | undefined;
  /** The newest state that came meanwhile: newer than the one that is being read. */
  private told: StateChangedNotification | undefined;
  private closed = false;
  private changesWanted = "";
  /** Pulls in a row that brought nothing: a server that answers so is not asked for ever. */
  private stalled = 0;

  constructor(
    readonly id: string,
    private host: Host,
    private changed: () => void,
  ) {}

  get info(): Info | undefined {
    return this.fold?.info;
  }

  /** Opens it, and reads the newest events. */
  async open(): Promise<void> {
    this.failed = undefined;
    this.waiting = [];
    try {
      await this.host.ask("showConversation", { id: this.id });
      let opened: OpenResult;
      this.readOnly = false;
      try {
        opened = await this.host.request("conversation/open", { id: this.id, since: "end" });
      } catch (e) {
        if (!(e instanceof Refused) || e.kind !== "locked") throw e;
        this.readOnly = true;
        opened = await this.host.request("conversation/open", { id: this.id, since: "end", mode: "read" });
      }
      await this.read(opened.conversation, opened.to);
    } catch (e) {
      this.failed = e instanceof Refused ? e : new Refused({ code: 0, message: String(e) });
    } finally {
      this.drain();
    }
    this.touch();
    void this.readChanges();
  }

  /** Reads the newest events of a state that has `to` of them. */
  private async read(info: Info, to: number): Promise<void> {
    this.epoch = info.cursor.epoch;
    let events: SeqEvent[] = [];
    let before: number | undefined = to > 0 ? to + 1 : undefined;
    // A turn is read from its beginning where that is near: its ending counts the steps.
    for (let page = 0; page < 4 && before !== undefined; page++) {
      const got: { events: SeqEvent[]; prev?: number } = await this.host.request("conversation/events", {
        id: this.id,
        before,
        limit: firstPage,
        maxBytes,
      });
      events = [...got.events, ...events];
      before = got.prev;
      if (got.events.length === 0 || events.some(isTurn)) break;
    }
    if (this.closed) return;
    this.older = before !== undefined;
    this.fold ??= new Fold(info);
    this.refold(events);
    this.fold.state(info);
  }

  private refold(events: SeqEvent[]): void {
    this.events = events;
    this.from = events.length > 0 ? events[0]!.seq - 1 : (this.fold?.info.cursor.seq ?? 0);
    this.fold!.reset(this.from);
    for (const event of events) this.fold!.event(event as EventNotification);
  }

  private append(event: SeqEvent): void {
    this.stalled = 0;
    this.events.push(event);
    this.fold!.event(event as EventNotification);
  }

  private drain(): void {
    const waiting = this.waiting;
    this.waiting = undefined;
    for (const params of waiting ?? []) this.onEvent(params);
    const told = this.told;
    this.told = undefined;
    if (told && this.fold && Date.parse(told.updatedAt) >= Date.parse(this.fold.info.updatedAt)) this.onState(told);
  }

  onEvent(params: EventNotification): void {
    if (this.waiting) {
      this.waiting.push(params);
      return;
    }
    if (!this.fold) return;
    if (params.epoch !== this.epoch) {
      if (params.epoch > this.epoch) void this.reload();
      return;
    }
    if (params.seq <= this.fold.seq) return;
    if (params.seq > this.fold.seq + 1) {
      if (this.stalled < 3) void this.pull();
      return;
    }
    this.append({ seq: params.seq, event: params.event, display: params.display });
    this.touch();
  }

  onDelta(params: DeltaNotification): void {
    this.fold?.delta(params);
    this.touch();
  }

  onState(params: StateChangedNotification): void {
    if (this.waiting) this.told = params;
    if (!this.fold) return;
    const before = this.fold.info;
    this.fold.state(params);
    this.touch();
    if (params.cursor.epoch !== this.epoch && !this.waiting) void this.reload();
    const was = before.changes ?? {};
    if (JSON.stringify(was) !== JSON.stringify(params.changes) || before.status !== params.status) void this.readChanges();
  }

  onGap(params: GapNotification): void {
    if (params.epoch === this.epoch && !this.waiting) void this.pull();
  }

  /** Reads what is missing behind the last event. */
  private async pull(): Promise<void> {
    if (this.waiting || !this.fold) return;
    this.waiting = [];
    const epoch = this.epoch;
    this.stalled++;
    try {
      let next: number | undefined = this.fold.seq;
      while (next !== undefined && !this.closed) {
        const got: { events: SeqEvent[]; next?: number } = await this.host.request("conversation/events", {
          id: this.id,
          after: next,
          limit: 500,
          maxBytes,
        });
        if (epoch !== this.epoch) return;
        for (const event of got.events) if (event.seq === this.fold.seq + 1) this.append(event);
        next = got.events.length > 0 ? got.next : undefined;
      }
    } catch (e) {
      this.host.post({ type: "log", level: "error", text: `Events of ${this.id} could not be read: ${String(e)}` });
    } finally {
      this.drain();
    }
    this.touch();
  }

  /** The history is another one now: everything is read anew. */
  private async reload(): Promise<void> {
    if (this.waiting) return;
    this.waiting = [];
    try {
      const info = await this.host.request("conversation/state", { id: this.id });
      await this.read(info, info.cursor.seq);
    } catch (e) {
      this.failed = e instanceof Refused ? e : new Refused({ code: 0, message: String(e) });
    } finally {
      this.drain();
    }
    this.touch();
  }

  /** Reads a page of older events. Rows keep their ids, so the reader stays where he is. */
  async loadOlder(): Promise<void> {
    if (!this.older || this.loadingOlder || !this.fold) return;
    this.loadingOlder = true;
    this.touch();
    try {
      const epoch = this.epoch;
      const got = await this.host.request("conversation/events", { id: this.id, before: this.from + 1, limit: olderPage, maxBytes });
      if (epoch === this.epoch && !this.closed) {
        this.older = got.prev !== undefined && got.events.length > 0;
        this.refold([...got.events, ...this.events]);
      }
    } catch (e) {
      this.host.post({ type: "log", level: "error", text: `Older events of ${this.id} could not be read: ${String(e)}` });
    } finally {
      this.loadingOlder = false;
      this.touch();
    }
  }

  /** Reads the changes that nobody has kept; asked again when they may be others by now. */
  async readChanges(): Promise<void> {
    const info = this.fold?.info;
    if (!info || this.readOnly) return;
    if (info.changes.files === 0) {
      this.changes = undefined;
      this.conflicts.clear();
      return this.touch();
    }
    // While a run executes its card is not shown, so nothing is asked.
    if (busy(info) && !waits(info)) return;
    const wanted = JSON.stringify([info.changes, info.status, this.rev]);
    this.changesWanted = wanted;
    try {
      const changes = await this.host.request("conversation/changes", { id: this.id });
      if (wanted !== this.changesWanted || this.closed) return;
      this.changes = changes.files.length > 0 ? changes : undefined;
      this.touch();
    } catch {
      // The count of the state is still told; the card comes with the next state.
    }
  }

  /** Keeps or takes back all, one file, or hunks of it. */
  async decide(verb: "keep" | "undo", uri?: string, hunks?: string[]): Promise<void> {
    const params = { id: this.id, ...(uri && { uri }), ...(hunks && { hunks }) };
    if (verb === "keep") await this.host.request("conversation/keepChanges", params);
    else {
      const { conflicts } = await this.host.request("conversation/undoChanges", params);
      this.conflicts.clear();
      for (const c of conflicts) this.conflicts.set(c.hunk ? `${c.uri}#${c.hunk}` : c.uri, c.reason);
    }
    const changes = await this.host.request("conversation/changes", { id: this.id });
    this.changes = changes.files.length > 0 ? changes : undefined;
    this.touch();
  }

  /** All rows, those of events and what is at the tail. */
  rows(): Row[] {
    return this.fold ? [...this.fold.rows, ...this.fold.tail()] : [];
  }

  close(): void {
    this.closed = true;
  }

  private touch(): void {
    if (this.closed) return;
    this.rev++;
    this.changed();
  }
}

function isTurn(event: SeqEvent): boolean {
  const e = event.event as { kind?: string; source?: string };
  return e.kind === "MessageEvent" && e.source === "user";
}

/** A run goes on or waits. */
export function busy(info: Info | undefined): boolean {
  return ["running", "pausing", "waiting_for_confirmation", "waiting_for_input"].includes(info?.status ?? "");
}

/** It waits for the user. */
export function waits(info: Info | undefined): boolean {
  return info?.status === "waiting_for_confirmation" || info?.status === "waiting_for_input";
}
