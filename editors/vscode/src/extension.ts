/** The extension's entry: wires its parts and registers its commands. Nothing is started before it is used. */
import * as vscode from "vscode";
import { handlers } from "./host/asks";
import { Changes } from "./host/changes";
import { EditorContext, problemsOf, selectionOf } from "./host/context";
import { Conversations } from "./host/conversations";
import { Documents } from "./host/documents";
import { Fix, fixMessage } from "./host/fix";
import { pickConversation, pickModel, pickPolicy, tell } from "./host/pickers";
import { Secrets } from "./host/secrets";
import { Server } from "./host/server";
import { Status } from "./host/status";
import { Terminals } from "./host/terminal";
import { Views } from "./host/view";
import type { Command, Share } from "./messages";

/** What the tests reach of a running extension. */
export interface Api {
  server: Server;
  conversations: Conversations;
  secrets: Secrets;
  changes: Changes;
  /** How long activation took of its own time, in ms: without what a busy machine took for others. */
  activation: number;
}

export function activate(extension: vscode.ExtensionContext): Api {
  const began = performance.now();
  const cpu = process.cpuUsage();
  const log = vscode.window.createOutputChannel("Agent RPC", { log: true });
  const secrets = new Secrets(extension);
  const server = new Server(extension, log, secrets);
  const conversations = new Conversations(server);
  const context = new EditorContext();
  const documents = new Documents(server, conversations);
  const terminals = new Terminals(server, conversations);
  const changes = new Changes(server, conversations, documents);
  const parts = { server, conversations, documents, terminals, secrets, context, log, openTab: (id: string | null) => views.openTab(id) };
  const acts = handlers(parts);
  const views = new Views(extension, server, conversations, context, acts, log);
  const status = new Status(
    server,
    conversations,
    () => views.visible(),
    (id) => void views.show(id),
    (n) => views.badge(n),
  );
  extension.subscriptions.push(log, server, conversations, context, documents, terminals, changes, views, status);
  extension.subscriptions.push(vscode.languages.registerCodeActionsProvider({ scheme: "file" }, new Fix(), { providedCodeActionKinds: Fix.kinds }));

  const page = { show: (id: string | null) => void views.show(id) };
  const shown = () => {
    const info = conversations.shown;
    if (!info) throw new Error("No conversation is open.");
    return info;
  };
  const toView = (command: Command, focus?: boolean) => () => views.command(command, focus);
  const add = (shares: Share[]) => views.command({ name: "addContext", shares });

  const commands: Record<string, (...args: never[]) => unknown> = {
    "agentRpc.open": () => views.command({ name: "focus" }),
    "agentRpc.new": toView({ name: "newConversation" }),
    "agentRpc.history": toView({ name: "history" }),
    "agentRpc.pick": async () => {
      const info = await pickConversation(server);
      if (info) await views.show(info.id);
    },
    "agentRpc.openInEditor": () => views.openTab(conversations.shown?.id ?? null),
    "agentRpc.stop": toView({ name: "stop" }, false),
    "agentRpc.pause": toView({ name: "pause" }, false),
    "agentRpc.resume": toView({ name: "resume" }, false),
    "agentRpc.approve": toView({ name: "approve" }),
    "agentRpc.reject": toView({ name: "reject" }),
    "agentRpc.rename": () => acts.renameConversation({ id: shown().id, title: shown().title ?? "" }, page),
    "agentRpc.fork": async () => {
      const { conversation } = await server.request("conversation/fork", { id: shown().id });
      conversations.keep(conversation);
      await views.show(conversation.id);
    },
    "agentRpc.delete": async () => {
      const { id, title } = shown();
      if (await acts.deleteConversation({ id, title: title ?? "New conversation" }, page)) await views.show(null);
    },
    "agentRpc.export": () => acts.exportConversation({ id: shown().id }, page),
    "agentRpc.transcript": () => acts.openTranscript({ id: shown().id }, page),
    "agentRpc.terminal": () => acts.openTerminal({ id: shown().id }, page),
    "agentRpc.model": () => pickModel(server, conversations, conversations.shown?.id),
    "agentRpc.policy": () => pickPolicy(server, conversations, conversations.shown?.id),
    "agentRpc.setKey": (provider?: string) => secrets.ask(typeof provider === "string" ? provider : undefined),
    "agentRpc.deleteKey": () => secrets.askDelete(),
    "agentRpc.restart": () => server.restart(),
    "agentRpc.showLog": () => log.show(),
    "agentRpc.sendSelection": async () => {
      const editor = context.editor;
      const share = editor && (selectionOf(editor) ?? { type: "file" as const, uri: editor.document.uri.toString() });
      if (!share) throw new Error("No file is open.");
      await add([share]);
    },
    "agentRpc.sendFile": async (uri?: vscode.Uri, all?: vscode.Uri[]) => {
      const uris = all?.length ? all : [uri ?? context.editor?.document.uri].filter((u) => u !== undefined);
      if (uris.length === 0) throw new Error("No file is open.");
      await add(uris.map((u) => ({ type: "file", uri: u.toString() })));
    },
    "agentRpc.sendProblems": async () => {
      const uri = context.editor?.document.uri;
      const items = uri ? problemsOf(uri) : [];
      if (!uri || items.length === 0) throw new Error("The file that is open has no problems.");
      await add([{ type: "diagnostics", uri: uri.toString(), items }]);
    },
    "agentRpc.fix": async (uri: vscode.Uri, diagnostics: vscode.Diagnostic[]) => {
      const { text, shares } = fixMessage(uri, diagnostics);
      await add(shares);
      await views.command({ name: "insertText", text, send: true });
    },
    "agentRpc.demo": () => acts.tryDemo({}, page),
    ...changes.commands(),
  };
  for (const [name, act] of Object.entries(commands)) {
    const run = async (...args: unknown[]) => {
      try {
        return await (act as (...args: unknown[]) => unknown)(...args);
      } catch (e) {
        tell(e);
        return undefined;
      }
    };
    extension.subscriptions.push(vscode.commands.registerCommand(name, run));
  }

  const { user, system } = process.cpuUsage(cpu);
  const activation = Math.min(performance.now() - began, (user + system) / 1000);
  log.info(`activated in ${activation.toFixed(1)} ms`);
  return { server, conversations, secrets, changes, activation };
}
