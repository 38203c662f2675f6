/**
 * A host for the page: it answers the view as the extension and the server would, from a list of what the server sent. The tests play
 * those lines, and read what the view asked for.
 */
import type { HostMessage, Init, ViewMessage } from "../../src/messages";
import type { ChangesResult, EventNotification, Info, SeqEvent } from "../../src/protocol";

export interface Line {
  method: string;
  params?: unknown;
  result?: unknown;
}

export interface Scene {
  init?: Partial<Init>;
  /** What the server sent, from `conversation/create` on. */
  lines?: Line[];
  /** How many of them came before the view was opened; all if absent. */
  played?: number;
  list?: Info[];
  changes?: ChangesResult;
  skills?: unknown[];
  files?: Array<{ uri: string; path: string }>;
  /** A state that is sent between the request for the events and its reply. */
  during?: Partial<Info>;
  /** Errors by method. */
  refuse?: Record<string, { code: number; message: string; data?: { kind?: string } }>;
  /** Requests go to the real server, by `window.toServer`. */
  real?: boolean;
  /** The view's state before a reload. */
  saved?: unknown;
}

const ready: Init = {
  folders: [{ uri: "file:///home/ada/greet", name: "greet" }],
  server: { state: "running", version: "0.4.0" },
  theme: "dark",
  setup: { model: "anthropic/claude-sonnet-5", key: true, folder: true, trusted: true },
  context: {},
  settings: { sendWith: "enter", shareFile: true, shareSelection: true },
  place: "sidebar",
  platform: "other",
  version: "0.4.0",
};

export class Fake {
  sent: ViewMessage[] = [];
  state: unknown;
  info: Info | undefined;
  events: SeqEvent[] = [];
  private at = 0;
  private opened = false;

  constructor(private scene: Scene) {
    this.state = scene.saved;
    const played = scene.played ?? scene.lines?.length ?? 0;
    while (this.at < played) this.step();
  }

  /** The server sends its next line. */
  private step(): Line | undefined {
    const line = this.scene.lines?.[this.at++];
    if (!line) return undefined;
    if (line.method === "conversation/create") this.info = (line.result as { conversation: Info }).conversation;
    if (line.method === "conversation/stateChanged") this.info = line.params as Info;
    if (line.method === "conversation/event") {
      const { seq, event, display } = line.params as EventNotification;
      this.events.push({ seq, event, display });
    }
    return line;
  }

  /** Plays `n` lines to the view, or all that are left. */
  play(n = Number.POSITIVE_INFINITY): void {
    for (let i = 0; i < n; i++) {
      const line = this.step();
      if (!line) return;
      if (this.opened && line.params) this.notify(line.method, line.params);
    }
  }

  notify(method: string, params: unknown): void {
    this.tell({ type: "notification", method, params });
  }

  /** A state of the server's, made of the newest one. */
  become(part: Partial<Info>): void {
    this.info = { ...this.info!, ...part };
    this.notify("conversation/stateChanged", { ...this.info, seq: this.events.length });
  }

  /** The server appends an event and sends it, or keeps it to itself as when a slow client is passed over. */
  append(event: SeqEvent, send = true): void {
    this.events.push(event);
    if (send) this.notify("conversation/event", { id: this.info!.id, epoch: this.info!.cursor.epoch, ...event });
  }

  /** The view stands in the side bar, or in an editor tab. */
  place(place: Init["place"]): void {
    if (this.info) this.tell({ type: "init", ...ready, id: this.info.id, ...this.scene.init, context: this.context, place });
  }

  private context: Init["context"] = {};

  tell(message: HostMessage): void {
    if (message.type === "context" || message.type === "init") this.context = message.context;
    window.dispatchEvent(new MessageEvent("message", { data: message }));
  }

  receive(message: ViewMessage): void {
    this.sent.push(message);
    if (message.type === "ready") {
      queueMicrotask(() => this.tell({ type: "init", ...ready, id: this.info?.id ?? null, ...this.scene.init }));
      return;
    }
    if (message.type !== "request" && message.type !== "ask") return;
    const name = message.type === "request" ? message.method : message.verb;
    if (this.scene.real && (message.type === "request" || name === "newConversation")) {
      void window.toServer(name, message.params).then((answer) => this.tell({ type: "reply", seq: message.seq, ...answer } as HostMessage));
      return;
    }
    queueMicrotask(() => {
      if (name === "conversation/events" && this.scene.during) {
        const { during } = this.scene;
        this.scene.during = undefined;
        this.become(during);
      }
      const error = this.scene.refuse?.[name];
      if (error) return this.tell({ type: "reply", seq: message.seq, error });
      this.tell({ type: "reply", seq: message.seq, result: this.answer(name, message.params as Record<string, unknown>) });
    });
  }

  private answer(name: string, params: Record<string, unknown>): unknown {
    switch (name) {
      case "conversation/open":
        this.opened = true;
        return { conversation: this.info, from: this.events.length, to: this.events.length };
      case "conversation/state":
        return this.info;
      case "conversation/events": {
        const limit = (params.limit as number | undefined) ?? 500;
        if (params.after !== undefined) {
          const from = params.after as number;
          const events = this.events.slice(from, from + limit);
          return { events, ...(from + limit < this.events.length && { next: from + limit }) };
        }
        const before = (params.before as number) - 1;
        const from = Math.max(before - limit, 0);
        return { events: this.events.slice(from, before), ...(from > 0 && { prev: from + 1 }) };
      }
      case "conversation/list": {
        const query = String(params.query ?? "").toLowerCase();
        return { items: (this.scene.list ?? []).filter((info) => (info.title ?? "").toLowerCase().includes(query)) };
      }
      case "conversation/changes":
        return this.scene.changes ?? { files: [] };
      case "conversation/undoChanges":
        return { undone: [], conflicts: [] };
      case "conversation/blob": {
        const text = "line of the whole output\n".repeat(2000);
        return { text, offset: 0, size: text.length };
      }
      case "conversation/sendMessage":
        return { messageId: params.messageId, disposition: "started" };
      case "conversation/unsend":
        return this.info?.queued.find((q) => q.messageId === params.messageId);
      case "conversation/confirm":
      case "conversation/answer":
        return { accepted: true };
      case "agent/skills":
        return { skills: this.scene.skills ?? [] };
      case "findFiles":
        return (this.scene.files ?? []).filter((file) => file.path.toLowerCase().includes(String(params.query).toLowerCase()));
      case "newConversation":
        return { id: this.info?.id };
      case "deleteConversation":
        return true;
      default:
        return null;
    }
  }
}

declare const window: Window & {
  toServer(method: string, params: unknown): Promise<object>;
  scene: Scene;
  fake: Fake;
  acquireVsCodeApi: () => unknown;
  violations: string[];
};

window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => window.violations.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sample}`));
window.fake = new Fake(window.scene ?? {});
window.acquireVsCodeApi = () => ({
  postMessage: (message: ViewMessage) => window.fake.receive(structuredClone(message)),
  getState: () => window.fake.state,
  setState: (state: unknown) => {
    window.fake.state = structuredClone(state);
  },
});
