/**
 * The chat view: the same page in the side bar and in editor tabs. It is thrown away when it is hidden, and is the same again when it
 * is shown, because all that it shows comes from the server's log.
 */
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import { type Asks, type Command, type HostMessage, type Init, relayed, type Theme, type Verb, type ViewMessage } from "../messages";
import type { Handlers } from "./asks";
import type { EditorContext } from "./context";
import type { Conversations } from "./conversations";
import { asError, type Server } from "./server";
import { forView } from "./settings";
import { setup } from "./setup";

export const viewType = "agentRpc.chat";
const tabType = "agentRpc.tab";
const shownKey = "agentRpc.shown"; // the conversation in the side bar of this window

const themes: Record<vscode.ColorThemeKind, Theme> = {
  [vscode.ColorThemeKind.Light]: "light",
  [vscode.ColorThemeKind.Dark]: "dark",
  [vscode.ColorThemeKind.HighContrast]: "hc",
  [vscode.ColorThemeKind.HighContrastLight]: "hc-light",
};

const folders = () => (vscode.workspace.workspaceFolders ?? []).map((f) => ({ uri: f.uri.toString().replace(/\/$/, ""), name: f.name }));

/** Methods that make something run: refused while the window is not trusted. */
const acting: readonly string[] = [
  "conversation/create",
  "conversation/sendMessage",
  "conversation/run",
  "conversation/confirm",
  "conversation/condense",
];

// One page, in the side bar or in a tab.
class Page {
  private id: string | null | undefined;
  private ready = false;
  private waiting: HostMessage[] = [];

  constructor(
    readonly views: Views,
    readonly webview: vscode.Webview,
    readonly place: Init["place"],
    readonly visible: () => boolean,
    id?: string | null,
  ) {
    this.id = id;
    webview.options = { enableScripts: true, localResourceRoots: [vscode.Uri.joinPath(views.extension.extensionUri, "dist")] };
    webview.html = html(webview, views.extension.extensionUri);
    webview.onDidReceiveMessage((m: ViewMessage) => void this.heard(m));
  }

  get shown(): string | null | undefined {
    return this.id;
  }

  /** Sends what may wait until the page is there. */
  send(message: HostMessage): void {
    if (this.ready) void this.webview.postMessage(message);
    else this.waiting.push(message);
  }

  private async heard(m: ViewMessage): Promise<void> {
    switch (m.type) {
      case "ready":
        return this.begin();
      case "request":
        return this.reply(m.seq, () => this.relay(m.method, m.params));
      case "ask":
        return this.reply(m.seq, () => this.ask(m.verb, m.params));
      case "status":
        return this.views.status(this, m);
      case "log":
        return this.views.log[m.level](`view: ${m.text}`);
    }
  }

  private async begin(): Promise<void> {
    const { views } = this;
    const init: HostMessage = {
      type: "init",
      id: this.id,
      folders: folders(),
      server: views.server.state,
      theme: themes[vscode.window.activeColorTheme.kind],
      setup: await setup(views.server),
      context: views.context.get(),
      settings: forView(),
      place: this.place,
      platform: process.platform === "darwin" ? "mac" : "other",
      version: String(views.extension.extension.packageJSON.version),
    };
    this.ready = true;
    await this.webview.postMessage(init);
    for (const message of this.waiting.splice(0)) await this.webview.postMessage(message);
    // What was not known when the page began: whether there is a model and a key.
    views.begin();
  }

  private async reply(seq: number, act: () => Promise<unknown>): Promise<void> {
    let answer: HostMessage;
    try {
      answer = { type: "reply", seq, result: (await act()) ?? null };
    } catch (e) {
      answer = { type: "reply", seq, error: asError(e) };
    }
    await this.webview.postMessage(answer);
  }

  private async relay(method: string, params: unknown): Promise<unknown> {
    if (!(relayed as readonly string[]).includes(method)) throw new Error(`${method} is not for the view.`);
    if (acting.includes(method) && !vscode.workspace.isTrusted)
      throw new Error("This window is in restricted mode: nothing is run before you trust it.");
    const result = await this.views.server.request(method as never, params as never);
    const info = (result as { conversation?: unknown } | null)?.conversation;
    if (info) this.views.conversations.keep(info as never);
    return result;
  }

  private ask<V extends Verb>(verb: V, params: Asks[V]["give"]): Promise<unknown> {
    if (verb === "showConversation") {
      this.id = (params as { id: string | null }).id;
      this.views.showing(this);
      return Promise.resolve(null);
    }
    const all = this.views.handlers as Partial<Record<Verb, (give: Asks[V]["give"], page: PageOf) => Promise<unknown>>>;
    const handler = all[verb];
    if (!handler) throw new Error(`${verb} is nothing that the editor does.`);
    return handler(params, { show: (id) => this.show(id) });
  }

  show(id: string | null): void {
    this.id = id;
    this.send({ type: "show", id });
  }
}

/** PageOf is the page that asked. */
export interface PageOf {
  show(id: string | null): void;
}

export class Views implements vscode.Disposable, vscode.WebviewViewProvider {
  private side: { page: Page; view: vscode.WebviewView } | undefined;
  private readonly tabs = new Map<vscode.WebviewPanel, Page>();
  private readonly subscriptions: vscode.Disposable[];
  private later: HostMessage[] = []; // for a side bar that is not there yet

  constructor(
    readonly extension: vscode.ExtensionContext,
    readonly server: Server,
    readonly conversations: Conversations,
    readonly context: EditorContext,
    readonly handlers: Handlers,
    readonly log: vscode.LogOutputChannel,
  ) {
    this.subscriptions = [
      vscode.window.registerWebviewViewProvider(viewType, this),
      vscode.window.registerWebviewPanelSerializer(tabType, {
        deserializeWebviewPanel: async (panel, state: { id?: string | null } | undefined) => {
          this.tab(panel, state?.id ?? null);
        },
      }),
      server.onNotification((n) => {
        for (const page of this.pages()) {
          if (n.method === "conversation/listChanged" || (n.params.id && n.params.id === page.shown)) {
            page.send({ type: "notification", method: n.method, params: n.params });
          }
        }
      }),
      server.onState((state) => this.all({ type: "server", server: state })),
      server.onReturn(() => this.begin()),
      context.onChange((now) => this.all({ type: "context", context: now })),
      vscode.window.onDidChangeActiveColorTheme(({ kind }) => this.all({ type: "theme", theme: themes[kind] })),
      vscode.workspace.onDidChangeWorkspaceFolders(() => {
        this.all({ type: "folders", folders: folders() });
        this.begin();
      }),
      vscode.workspace.onDidChangeConfiguration((e) => e.affectsConfiguration("agentRpc") && this.settings()),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.begin()),
      extension.secrets.onDidChange(() => this.begin()),
    ];
  }

  private pages(): Page[] {
    return [...(this.side ? [this.side.page] : []), ...this.tabs.values()];
  }

  private all(message: HostMessage): void {
    for (const page of this.pages()) page.send(message);
  }

  private settings(): void {
    this.all({ type: "settings", settings: forView() });
    this.begin();
  }

  /** Starts the server, and tells the pages what a first run still needs. */
  begin(): void {
    this.server.ensure().then(
      async () => this.all({ type: "setup", setup: await setup(this.server) }),
      () => undefined, // the state says it
    );
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    // The page keeps it too, but not over a window that ended without a word.
    const id = this.extension.workspaceState.get<string>(shownKey);
    const page = new Page(this, view.webview, "sidebar", () => view.visible, id);
    this.side = { page, view };
    for (const message of this.later.splice(0)) page.send(message);
    view.onDidDispose(() => {
      this.side = undefined;
    });
  }

  /** Opens the view in an editor tab. */
  openTab(id: string | null): void {
    const panel = vscode.window.createWebviewPanel(tabType, "Agent RPC", vscode.ViewColumn.Active, { enableScripts: true });
    this.tab(panel, id);
  }

  private tab(panel: vscode.WebviewPanel, id: string | null): void {
    panel.iconPath = vscode.Uri.joinPath(this.extension.extensionUri, "media", "agent.svg");
    this.tabs.set(panel, new Page(this, panel.webview, "editor", () => panel.visible, id));
    panel.onDidDispose(() => this.tabs.delete(panel));
  }

  /** Tells whether a page with a conversation is in sight. */
  visible(): boolean {
    return this.pages().some((page) => page.visible());
  }

  /** A page shows another conversation. */
  showing(page: Page): void {
    if (page === this.side?.page) void this.extension.workspaceState.update(shownKey, page.shown ?? undefined);
    this.conversations.show(page.shown ?? null);
    if (page.shown)
      this.conversations.state(page.shown).then(
        () => this.conversations.show(page.shown ?? null),
        () => undefined,
      );
  }

  status(page: Page, m: Extract<ViewMessage, { type: "status" }>): void {
    for (const [panel, other] of this.tabs) if (other === page) panel.title = m.title || "Agent RPC";
    void vscode.commands.executeCommand("setContext", "agentRpc.status", m.status ?? "");
    void vscode.commands.executeCommand("setContext", "agentRpc.waiting", m.pending > 0);
  }

  badge(value: number): void {
    if (this.side) this.side.view.badge = value > 0 ? { value, tooltip: `${value} waiting for you` } : undefined;
  }

  private send(message: HostMessage): void {
    const tab = [...this.tabs].find(([panel]) => panel.active)?.[1];
    const page = tab ?? this.side?.page;
    if (page) page.send(message);
    else this.later.push(message);
  }

  /** Shows a conversation, in the tab that is open or else in the side bar. */
  async show(id: string | null): Promise<void> {
    await this.focus();
    this.send({ type: "show", id });
  }

  /** Hands a command to the view that is in use. With `focus` the view is shown first. */
  async command(command: Command, focus = true): Promise<void> {
    if (focus) await this.focus();
    this.send({ type: "command", command });
  }

  private async focus(): Promise<void> {
    if (![...this.tabs.keys()].some((panel) => panel.active)) await vscode.commands.executeCommand(`${viewType}.focus`);
  }

  dispose(): void {
    for (const s of this.subscriptions) s.dispose();
    for (const panel of this.tabs.keys()) panel.dispose();
  }
}

function html(webview: vscode.Webview, extension: vscode.Uri): string {
  const nonce = randomBytes(16).toString("base64");
  const dist = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(extension, "dist", name));
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource}`,
    `font-src ${webview.cspSource}`,
    `img-src ${webview.cspSource} data: blob:`,
  ].join("; ");
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${dist("view.css")}">
<title>Agent RPC</title>
</head>
<body>
<div id="app"></div>
<script nonce="${nonce}" src="${dist("view.js")}"></script>
</body>
</html>`;
}
