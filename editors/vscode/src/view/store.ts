/** What the view shows, and what it does. Components read it and call it; it tells them when to paint. */
import type { Command, Context, Folder, HostMessage, Init, ServerError, ServerState, Setup, Share, Theme } from "../messages";
import * as words from "../model/words";
import type {
  DeltaNotification,
  EventNotification,
  GapNotification,
  Info,
  ModelsResult,
  Pending,
  SkillInfo,
  StateChangedNotification,
} from "../protocol";
import { busy, Conversation, waits } from "./conversation";
import { Host, Refused } from "./host";

/** Streaming text is painted at most this often, in milliseconds. */
const paintEvery = 50;
/** How long a draft may be lost for, in milliseconds. */
const saveAfter = 250;
/** An approval is dead for so long after it has appeared, in milliseconds. */
export const armAfter = 500;

export interface Draft {
  text: string;
  shares: Share[];
}

/** Notice is a line over the composer: what went wrong, and what can be done. */
export interface Notice {
  text: string;
  actions: Array<{ label: string; run: () => void }>;
}

/** What survives a reload. */
interface Saved {
  id?: string | null;
  drafts?: Record<string, Draft>;
  /** Ids of rows that were opened or closed by hand, the newest last. */
  open?: Array<[id: string, open: boolean]>;
}

const emptyDraft: Draft = { text: "", shares: [] };

export class Store {
  readonly host: Host;
  init: Init | undefined;
  server: ServerState = { state: "starting" };
  setup: Setup | undefined;
  folders: Folder[] = [];
  context: Context = {};
  theme: Theme = "dark";
  settings: Init["settings"] = { sendWith: "enter", shareFile: true, shareSelection: true };

  page: "chat" | "history" = "chat";
  conversation: Conversation | undefined;
  list: Info[] | undefined;
  listNext: string | undefined;
  listQuery = "";
  skills: SkillInfo[] = [];
  models: ModelsResult | undefined;
  notice: Notice | undefined;
  /** What a screen reader is told, politely. */
  said = "";
  /** The folder of the next conversation. */
  newFolder: string | undefined;
  /** Kinds of context whose chip was taken away, for the document and selection that it was. */
  dismissed = new Set<string>();
  /** When each request that waits came on screen, by its id. */
  readonly armedAt = new Map<string, number>();
  /** Stop was pressed, and the run has not ended yet. */
  stopping: string | undefined;
  /** Grows with each command to put the focus into the composer. */
  focusWanted = 0;
  /** Up to which of them it was put there. */
  focusDone = 0;
  /** An approval that a command of the editor wants decided: shown, and its button focused. */
  reviewWanted = 0;
  /** Up to which of them a question has taken the focus. */
  reviewDone = 0;
  /** The request that is meant. */
  reviewAt: string | undefined;
  sending = false;

  private saved: Saved;
  private listeners = new Set<() => void>();
  private paintTimer: ReturnType<typeof setTimeout> | undefined;
  private paintedAt = 0;
  private listTimer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.host = new Host((message) => this.on(message));
    this.saved = (this.host.saved as Saved | undefined) ?? {};
    window.addEventListener("error", (e) => this.log(`${e.message} at ${e.filename}:${e.lineno}`));
    window.addEventListener("unhandledrejection", (e) => this.log(`not handled: ${String(e.reason)}`));
    window.addEventListener("pagehide", () => this.flush());
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.flush());
    this.host.post({ type: "ready" });
  }

  log(text: string): void {
    this.host.post({ type: "log", level: "error", text });
  }

  /** Calls `listener` when something is to be painted. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Something has changed: it is painted at once if nothing was lately, else when it is time. */
  changed = (): void => {
    if (this.paintTimer !== undefined) return;
    const wait = Math.max(0, paintEvery - (performance.now() - this.paintedAt));
    this.paintTimer = setTimeout(() => {
      this.paintTimer = undefined;
      this.paintedAt = performance.now();
      for (const listener of this.listeners) listener();
    }, wait);
  };

  private on(message: HostMessage): void {
    switch (message.type) {
      case "init": {
        const { init: before } = this;
        this.init = message;
        this.server = message.server;
        this.setup = message.setup;
        this.folders = message.folders;
        this.context = message.context;
        this.theme = message.theme;
        this.settings = message.settings;
        const id = message.id === undefined ? this.saved.id : message.id;
        if (!before || !this.conversation) this.show(id ?? null);
        break;
      }
      case "notification":
        this.onNotification(message.method, message.params);
        return;
      case "server": {
        const was = this.server.state;
        this.server = message.server;
        if (message.server.state === "running" && was !== "running") {
          // A new process knows nothing of this view: what is shown is opened again.
          if (this.conversation) this.show(this.conversation.id, true);
          if (this.page === "history") void this.readList();
          this.readMenus();
        }
        break;
      }
      case "setup":
        this.setup = message.setup;
        break;
      case "context":
        this.context = message.context;
        break;
      case "theme":
        this.theme = message.theme;
        break;
      case "folders":
        this.folders = message.folders;
        break;
      case "settings":
        this.settings = message.settings;
        break;
      case "show":
        this.page = "chat";
        if (message.id === null || message.id !== this.conversation?.id) this.show(message.id);
        break;
      case "command":
        this.command(message.command);
        break;
    }
    this.changed();
  }

  private onNotification(method: string, params: unknown): void {
    if (method === "conversation/listChanged") {
      if (this.page === "history" || !this.conversation) {
        clearTimeout(this.listTimer);
        this.listTimer = setTimeout(() => void this.readList(), 300);
      }
      return;
    }
    const c = this.conversation;
    if (!c || (params as { id?: string }).id !== c.id) return;
    switch (method) {
      case "conversation/event":
        c.onEvent(params as EventNotification);
        break;
      case "conversation/delta":
        c.onDelta(params as DeltaNotification);
        break;
      case "conversation/gap":
        c.onGap(params as GapNotification);
        break;
      case "conversation/stateChanged": {
        const before = c.info;
        c.onState(params as StateChangedNotification);
        this.announce(before, params as Info);
        if (!busy(params as Info)) this.stopping = undefined;
        break;
      }
    }
    this.status();
  }

  /** Says aloud what the user would have to look for. */
  private announce(before: Info | undefined, now: Info): void {
    if (before?.status === now.status) return;
    const actions = now.pending.find((p) => p.kind !== "input")?.actions.length ?? 0;
    switch (now.status) {
      case "waiting_for_confirmation":
        this.said = actions === 1 ? "Waiting for your approval" : `Waiting for your approval of ${actions} actions`;
        break;
      case "waiting_for_input":
        this.said = "The agent asks a question";
        break;
      case "finished":
        this.said = "Finished";
        break;
      case "error":
      case "stuck":
        this.said = `The run ended: ${now.error?.message ?? now.status}`;
        break;
      case "paused":
        this.said = now.stopReason === "interrupted" ? "Stopped" : "Paused";
        break;
    }
  }

  private lastStatus = "";
  /** Tells the host what its status bar and `when` clauses are made of. */
  status(typing = false): void {
    const info = this.conversation?.info;
    const status = {
      type: "status" as const,
      id: this.conversation?.id ?? null,
      title: info && titleOf(info),
      status: info?.status,
      pending: info?.pending.length ?? 0,
      unread: 0,
      typing,
    };
    const text = JSON.stringify(status);
    if (text === this.lastStatus) return;
    this.lastStatus = text;
    this.host.post(status);
  }

  /** Shows a conversation, or the page for a new one. */
  show(id: string | null, anew = false): void {
    const before = this.conversation;
    this.notice = undefined;
    this.stopping = undefined;
    if (id === null) {
      before?.close();
      this.conversation = undefined;
      void this.host.ask("showConversation", { id: null }).catch(() => undefined);
      if (this.server.state === "running") void this.readList();
    } else if (before?.id !== id || anew) {
      before?.close();
      const next = new Conversation(id, this.host, this.changed);
      if (anew && before?.id === id) next.fold = before.fold;
      this.conversation = next;
      if (this.server.state === "running") void next.open().then(() => this.opened(next));
    }
    this.page = "chat";
    this.save({ id });
    this.status();
    this.readMenus();
    this.changed();
  }

  private opened(c: Conversation): void {
    if (this.conversation !== c) return;
    this.status();
    if (c.failed?.kind === "conversation_not_found") this.show(null);
  }

  /** Slash commands depend on the folder. */
  private readMenus(): void {
    if (this.server.state !== "running") return;
    const workspace = this.conversation?.info?.workspace ?? this.folder?.uri;
    this.host
      .request("agent/skills", workspace ? { workspace } : {})
      .then(({ skills }) => {
        this.skills = skills;
        this.changed();
      })
      .catch(() => undefined);
  }

  /** The folder that a new conversation would work in: the only one, or the one that was chosen. */
  get folder(): Folder | undefined {
    return this.folders.find((f) => f.uri === this.newFolder) ?? (this.folders.length === 1 ? this.folders[0] : undefined);
  }

  async readList(more = false): Promise<void> {
    try {
      const query = this.listQuery.trim();
      const cursor = more ? this.listNext : undefined;
      const got = await this.host.request("conversation/list", { limit: 50, ...(query && { query }), ...(cursor && { cursor }) });
      if (query !== this.listQuery.trim()) return;
      this.list = more ? [...(this.list ?? []), ...got.items] : got.items;
      this.listNext = got.next;
    } catch (e) {
      this.list ??= [];
      this.fail(e);
    }
    this.changed();
  }

  search(query: string): void {
    this.listQuery = query;
    clearTimeout(this.listTimer);
    this.listTimer = setTimeout(() => void this.readList(), 150);
    this.changed();
  }

  openHistory(): void {
    this.page = "history";
    void this.readList();
    this.changed();
  }

  openChat(): void {
    this.page = "chat";
    this.changed();
  }

  private command(command: Command): void {
    switch (command.name) {
      case "focus":
        this.focusWanted++;
        break;
      case "newConversation":
        this.show(null);
        this.focusWanted++;
        break;
      case "history":
        this.openHistory();
        break;
      case "addContext":
        this.addShares(command.shares);
        this.page = "chat";
        this.focusWanted++;
        break;
      case "insertText": {
        const draft = this.draft;
        this.setDraft({ ...draft, text: draft.text ? `${draft.text.trimEnd()}\n${command.text}` : command.text });
        this.page = "chat";
        if (command.send) void this.send("queue");
        else this.focusWanted++;
        break;
      }
      case "stop":
        void this.stop();
        break;
      case "pause":
        void this.pause();
        break;
      case "resume":
        void this.run();
        break;
      case "approve":
      case "reject":
        // A command never decides by itself: it brings the question up, with its buttons in reach.
        this.page = "chat";
        this.review();
        break;
      case "keepAll":
        void this.decide("keep");
        break;
      case "undoAll":
        void this.decide("undo");
        break;
    }
  }

  /** Brings what waits into view and into focus, because the user asked for it. */
  review(requestId?: string): void {
    this.page = "chat";
    this.reviewAt = requestId;
    this.reviewWanted++;
    this.changed();
  }

  /** Whether the user has asked for this request; asked once, it takes the focus once. */
  takesFocus(requestId: string): boolean {
    if (this.reviewWanted === this.reviewDone || (this.reviewAt !== undefined && this.reviewAt !== requestId)) return false;
    this.reviewDone = this.reviewWanted;
    return true;
  }

  /* ---- drafts and what is sent along ---- */

  private get draftKey(): string {
    return this.conversation?.id ?? "new";
  }

  get draft(): Draft {
    return this.saved.drafts?.[this.draftKey] ?? emptyDraft;
  }

  setDraft(draft: Draft): void {
    this.putDraft(this.draftKey, draft);
    this.changed();
  }

  private putDraft(key: string, draft: Draft): void {
    const drafts = { ...this.saved.drafts };
    delete drafts[key];
    if (draft.text !== "" || draft.shares.length > 0) drafts[key] = draft;
    // The oldest are forgotten: a draft is no archive.
    for (const old of Object.keys(drafts).slice(0, -30)) delete drafts[old];
    this.save({ drafts });
  }

  addShares(shares: Share[]): void {
    const draft = this.draft;
    const have = new Set(draft.shares.map(shareKey));
    this.setDraft({ ...draft, shares: [...draft.shares, ...shares.filter((share) => !have.has(shareKey(share)))] });
  }

  removeShare(share: Share): void {
    const draft = this.draft;
    this.setDraft({ ...draft, shares: draft.shares.filter((s) => s !== share) });
  }

  /** What the editor offers and the settings send along, unless its chip was taken away. */
  get offered(): Share[] {
    const { file, selection } = this.context;
    const out: Share[] = [];
    if (selection && this.settings.shareSelection) out.push({ type: "selection", ...selection });
    else if (file && this.settings.shareFile && !busy(this.conversation?.info)) out.push({ type: "file", uri: file.uri });
    return out.filter((share) => !this.dismissed.has(shareKey(share)));
  }

  /** What can be added with one press. */
  get problems(): Share | undefined {
    const { problems } = this.context;
    if (!problems || problems.items.length === 0) return undefined;
    const share: Share = { type: "diagnostics", ...problems };
    return this.draft.shares.some((s) => s.type === "diagnostics" && s.uri === share.uri) ? undefined : share;
  }

  dismiss(share: Share): void {
    this.dismissed.add(shareKey(share));
    this.changed();
  }

  /* ---- verbs ---- */

  /** Sends the draft. `queue` is also the plain way when nothing runs. */
  async send(how: "queue" | "steer" | "stop"): Promise<void> {
    const key = this.draftKey;
    const draft = this.draft;
    const text = draft.text.trim();
    if ((text === "" && draft.shares.length === 0) || this.sending || this.server.state !== "running") return;
    if (text.startsWith("/") && (await this.builtIn(text))) return this.putDraft(key, emptyDraft);
    this.sending = true;
    this.notice = undefined;
    this.changed();
    const shares = [...this.offered, ...draft.shares];
    const message = shares.length === 0 ? text : [...(text ? [{ type: "text", text }] : []), ...shares];
    try {
      let c = this.conversation;
      if (!c) {
        const typing = document.activeElement instanceof HTMLTextAreaElement;
        const made = await this.host.ask("newConversation", this.folder ? { folder: this.folder.uri } : {});
        if (!made) return;
        if (this.conversation?.id !== made.id) this.show(made.id);
        c = this.conversation!;
        // The composer of the conversation is another one: whoever typed goes on typing.
        if (typing) this.focusWanted++;
      }
      if (how === "stop" && busy(c.info)) {
        await this.stop();
        await this.until(() => this.conversation !== c || !busy(c.info));
      }
      // An id of ours: sent twice it is one message.
      const messageId = crypto.randomUUID();
      const whenBusy = how === "steer" ? "steer" : "queue";
      await this.host.request("conversation/sendMessage", { id: c.id, message, messageId, run: true, whenBusy });
      this.putDraft(key, emptyDraft);
      for (const share of this.offered) if (share.type === "selection") this.dismissed.add(shareKey(share));
    } catch (e) {
      this.fail(e);
    } finally {
      this.sending = false;
      this.changed();
    }
  }

  /** Slash commands of the view itself. */
  private async builtIn(text: string): Promise<boolean> {
    const id = this.conversation?.id;
    switch (text) {
      case "/new":
        this.show(null);
        return true;
      case "/condense":
        if (id) await this.try(this.host.request("conversation/condense", { id }));
        return true;
      case "/model":
        await this.pickModel();
        return true;
      case "/history":
        this.openHistory();
        return true;
    }
    return false;
  }

  /** Waits until something holds, looked at with each change. */
  private until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        stop();
        resolve();
      };
      const stop = this.subscribe(look);
      look();
    });
  }

  async run(): Promise<void> {
    const id = this.conversation?.id;
    if (id) await this.try(this.host.request("conversation/run", { id }));
  }

  async pause(): Promise<void> {
    const id = this.conversation?.id;
    if (id) await this.try(this.host.request("conversation/pause", { id }));
  }

  async stop(): Promise<void> {
    const c = this.conversation;
    if (!c || !busy(c.info)) return;
    this.stopping = c.id;
    this.changed();
    if ((await this.try(this.host.request("conversation/interrupt", { id: c.id }))) === undefined) this.stopping = undefined;
  }

  /** Tells whether a request may be decided: it has been on screen for long enough. */
  armed(requestId: string): boolean {
    const at = this.armedAt.get(requestId);
    return at !== undefined && Date.now() - at >= armAfter;
  }

  async confirm(
    pending: Pending,
    decision: "approve" | "reject",
    more: { reason?: string; remember?: "conversation" | "workspace" } = {},
  ): Promise<void> {
    const c = this.conversation;
    if (!c || !this.armed(pending.requestId)) return;
    const { reason, remember } = more;
    await this.try(
      this.host.request("conversation/confirm", {
        id: c.id,
        requestId: pending.requestId,
        decision,
        ...(reason && { reason }),
        ...(remember && { remember: { scope: remember } }),
      }),
    );
  }

  async answer(pending: Pending, action: "accept" | "decline" | "cancel", content?: unknown): Promise<string | undefined> {
    const c = this.conversation;
    if (!c) return undefined;
    try {
      await this.host.request("conversation/answer", { id: c.id, requestId: pending.requestId, action, ...(action === "accept" && { content }) });
      return undefined;
    } catch (e) {
      return e instanceof Error ? e.message : String(e);
    }
  }

  async unsend(messageId: string, then: "edit" | "steer"): Promise<void> {
    const c = this.conversation;
    if (!c) return;
    const queued = await this.try(this.host.request("conversation/unsend", { id: c.id, messageId }));
    if (!queued) return;
    if (then === "steer") {
      await this.try(this.host.request("conversation/sendMessage", { id: c.id, message: queued.message, messageId, run: true, whenBusy: "steer" }));
      return;
    }
    const text = queued.message.content.flatMap((item) => (item.type === "text" && item.text ? [item.text] : []));
    const images = queued.message.content.flatMap((item) => item.image_urls ?? []);
    const draft = this.draft;
    this.setDraft({
      text: [text.join("\n\n"), draft.text].filter((part) => part !== "").join("\n"),
      shares: [...draft.shares, ...images.map((url) => ({ type: "image" as const, url }))],
    });
    this.focusWanted++;
  }

  async decide(verb: "keep" | "undo", uri?: string, hunks?: string[]): Promise<void> {
    const c = this.conversation;
    if (c) await this.try(c.decide(verb, uri, hunks));
    this.changed();
  }

  async pickModel(): Promise<void> {
    const id = this.conversation?.id;
    const got = await this.try(this.host.ask("pickModel", id ? { id } : {}));
    if (got && this.setup && !id) this.setup = { ...this.setup, model: got.model };
    this.changed();
  }

  async pickPolicy(): Promise<void> {
    const id = this.conversation?.id;
    await this.try(this.host.ask("pickPolicy", id ? { id } : {}));
  }

  async pickFolder(): Promise<void> {
    if (this.conversation) return;
    const got = await this.try(this.host.ask("pickFolder", {}));
    if (got) this.newFolder = got.uri;
    this.readMenus();
    this.changed();
  }

  async rename(id: string, title: string): Promise<void> {
    await this.try(this.host.ask("renameConversation", { id, title }));
    void this.readList();
  }

  async remove(id: string, title: string): Promise<void> {
    const gone = await this.try(this.host.ask("deleteConversation", { id, title }));
    if (gone && this.conversation?.id === id) {
      const { page } = this;
      this.show(null);
      this.page = page;
    }
    void this.readList();
  }

  async fork(id: string, from?: string): Promise<void> {
    const info = this.list?.find((item) => item.id === id) ?? this.conversation?.info;
    const title = info ? `${titleOf(info)} (fork)` : undefined;
    const made = await this.try(this.host.request("conversation/fork", { id, ...(from && { from }), ...(title && { title }) }));
    if (made) this.show(made.conversation.id);
  }

  /** Goes back to before a message of the user: what came after stays on its own branch. */
  async rewind(parent: string | undefined, text: string): Promise<void> {
    const c = this.conversation;
    if (!c) return;
    if (await this.try(this.host.request("conversation/navigate", { id: c.id, eventId: parent ?? null }))) {
      this.setDraft({ ...this.draft, text });
      this.focusWanted++;
    }
  }

  async raiseLimit(by: number): Promise<void> {
    const info = this.conversation?.info;
    if (!info) return;
    if (await this.try(this.host.request("conversation/update", { id: info.id, maxIterationPerRun: by }))) await this.run();
  }

  async raiseBudget(to: number): Promise<void> {
    const info = this.conversation?.info;
    if (!info) return;
    if (await this.try(this.host.request("conversation/update", { id: info.id, maxBudgetPerRun: to }))) await this.run();
  }

  /** A whole text that was too long to be sent with its event. */
  async blob(blob: { blob: string; size: number }): Promise<string> {
    const id = this.conversation!.id;
    let text = "";
    let offset: number | undefined = 0;
    // What is longer than this is for an editor, not for a card.
    const most = 2 << 20;
    while (offset !== undefined && offset < most) {
      const got: { text?: string; next?: number } = await this.host.request("conversation/blob", { id, blob: blob.blob, offset });
      if (got.text === undefined) return `${text}[no text]`;
      text += got.text;
      offset = got.next;
    }
    return offset === undefined ? text : `${text}\n[${blob.size - offset} bytes are not shown]`;
  }

  copy(text: string): void {
    void this.host.ask("copy", { text }).catch((e) => this.fail(e));
    this.said = "Copied";
    this.changed();
  }

  /** Waits for a request; a failure is told over the composer. */
  async try<T>(request: Promise<T>): Promise<T | undefined> {
    try {
      const got = await request;
      return got;
    } catch (e) {
      this.fail(e);
      return undefined;
    }
  }

  fail(e: unknown): void {
    const error: ServerError = e instanceof Refused ? e.error : { code: 0, message: e instanceof Error ? e.message : String(e) };
    const kind = error.data?.kind;
    const actions: Notice["actions"] = [];
    if (kind === "auth_required") {
      const provider = error.data?.provider as string | undefined;
      actions.push({ label: "Set API key", run: () => void this.setKey(provider) });
      actions.push({ label: "Choose another model", run: () => void this.pickModel() });
    } else if (kind === "locked") {
      const c = this.conversation;
      if (c) actions.push({ label: "Try again", run: () => this.show(c.id, true) });
    } else if (kind === "internal_error" || error.code === 0) {
      actions.push({ label: "Show log", run: () => void this.host.ask("showLog", {}) });
    }
    this.notice = { text: words.firstLine(error.message), actions };
    this.said = this.notice.text;
    this.changed();
  }

  async setKey(provider?: string): Promise<void> {
    if (await this.try(this.host.ask("setKey", provider ? { provider } : {}))) {
      this.notice = undefined;
      this.changed();
    }
  }

  /* ---- what is open ---- */

  /** Whether a row is open: as the user left it, else as `otherwise`. */
  isOpen(id: string, otherwise: boolean): boolean {
    return this.openById.get(id) ?? otherwise;
  }

  /** Another value each time that the user opens or closes a row. */
  touched(id: string): unknown {
    return this.openById.get(id);
  }

  private get openById(): Map<string, boolean> {
    this.openMap ??= new Map(this.saved.open ?? []);
    return this.openMap;
  }
  private openMap: Map<string, boolean> | undefined;

  setOpen(id: string, open: boolean): void {
    this.openById.delete(id);
    this.openById.set(id, open);
    for (const old of [...this.openById.keys()].slice(0, -300)) this.openById.delete(old);
    this.save({ open: [...this.openById] });
    this.changed();
  }

  /** Kept at once, and handed to the editor a moment later: a draft may hold images, and each key changes it. */
  private save(part: Saved): void {
    this.saved = { ...this.saved, ...part };
    this.saveTimer ??= setTimeout(this.flush, saveAfter);
  }

  private saveTimer: ReturnType<typeof setTimeout> | undefined;
  private flush = (): void => {
    clearTimeout(this.saveTimer);
    this.saveTimer = undefined;
    this.host.saved = this.saved;
  };
}

/** A name for what is shared: the same thing twice is one chip. */
export function shareKey(share: Share): string {
  switch (share.type) {
    case "image":
      return `image ${share.url.length} ${share.url.slice(-64)}`;
    case "file":
      return `file ${share.uri} ${share.range ? JSON.stringify(share.range) : ""}`;
    case "selection":
      return `selection ${share.uri} ${JSON.stringify(share.range)}`;
    case "diagnostics":
      return `diagnostics ${share.uri}`;
  }
}

export function titleOf(info: Info): string {
  return info.title || "New conversation";
}

export { busy, waits };
