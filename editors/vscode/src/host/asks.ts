/** What the view asks of the editor, a function for each verb. */
import * as vscode from "vscode";
import type { Asks, FoundFile, Share, Verb } from "../messages";
import type { Info } from "../protocol";
import type { EditorContext } from "./context";
import { type Conversations, titleOf } from "./conversations";
import { type Documents, transcriptUri } from "./documents";
import { pickFolder, pickModel, pickPolicy } from "./pickers";
import type { Secrets } from "./secrets";
import type { Server } from "./server";
import * as settings from "./settings";
import type { Terminals } from "./terminal";
import type { PageOf } from "./view";

export type Handlers = { [V in Exclude<Verb, "showConversation">]: (give: Asks[V]["give"], page: PageOf) => Promise<Asks[V]["get"]> };

/** Everything that the verbs act on. */
export interface Parts {
  server: Server;
  conversations: Conversations;
  documents: Documents;
  terminals: Terminals;
  secrets: Secrets;
  context: EditorContext;
  log: vscode.LogOutputChannel;
  openTab(id: string | null): void;
}

const images: Record<string, string> = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp" };
const maxImage = 8 << 20;

async function image(uri: vscode.Uri): Promise<{ url: string; name: string } | undefined> {
  const name = uri.path.split("/").pop() ?? "";
  const type = images[name.split(".").pop()?.toLowerCase() ?? ""];
  if (!type) return undefined;
  const bytes = await vscode.workspace.fs.readFile(uri);
  if (bytes.byteLength > maxImage) throw new Error(`${name} is larger than 8 MB.`);
  return { url: `data:${type};base64,${Buffer.from(bytes).toString("base64")}`, name };
}

/** Makes a conversation as the settings say; undefined where the user picked no folder. */
export async function create(
  parts: Pick<Parts, "server" | "conversations">,
  folder?: string,
  more: { title?: string; model?: string } = {},
): Promise<Info | undefined> {
  if (!vscode.workspace.isTrusted) {
    const manage = await vscode.window.showWarningMessage(
      "This window is in restricted mode: the agent runs nothing before you trust it.",
      "Manage Trust",
    );
    if (manage) await vscode.commands.executeCommand("workbench.trust.manage");
    return undefined;
  }
  const workspace = folder ?? (await pickFolder())?.uri.toString();
  if (!workspace) {
    if (!vscode.workspace.workspaceFolders?.length) throw new Error("Open a folder first: the agent works in one.");
    return undefined;
  }
  const model = more.model ?? settings.model();
  const { conversation } = await parts.server.request("conversation/create", {
    workspace,
    title: more.title,
    confirmationPolicy: settings.policies[settings.policy()].value,
    securityAnalyzer: settings.analyzer,
    autoTitle: true,
    ...(model && { agent: { llm: { model } } }),
    ...(settings.budget() > 0 && { maxBudgetPerRun: settings.budget() }),
    ...(settings.maxSteps() > 0 && { maxIterationPerRun: settings.maxSteps() }),
  });
  parts.conversations.keep(conversation);
  return conversation;
}

// A path that the model wrote: absolute, or inside the conversation's folder.
async function resolve(parts: Parts, uri: string, id?: string): Promise<vscode.Uri> {
  if (/^[a-z][a-z0-9+.-]+:/i.test(uri)) return vscode.Uri.parse(uri);
  if (uri.startsWith("/")) return vscode.Uri.file(uri);
  const base = id ? vscode.Uri.parse((await parts.conversations.state(id)).workspace) : vscode.workspace.workspaceFolders?.[0]?.uri;
  if (!base) throw new Error(`${uri} is in no folder.`);
  return vscode.Uri.joinPath(base, uri);
}

export function handlers(parts: Parts): Handlers {
  const { server, conversations, documents, terminals, secrets, context, log } = parts;
  const made = async (info: Info | undefined, page: PageOf) => {
    if (info) page.show(info.id);
    return info ? { id: info.id } : null;
  };
  return {
    async findFiles({ query, limit, folder }) {
      const base = folder ? vscode.workspace.getWorkspaceFolder(vscode.Uri.parse(folder)) : undefined;
      const letters = query.replaceAll(/[[\]{}*?]/g, "?").replaceAll(/[a-z]/gi, (c) => `[${c.toLowerCase()}${c.toUpperCase()}]`);
      const pattern = query ? `**/*${letters.split("/").join("*/*")}*` : "**/*";
      const uris = await vscode.workspace.findFiles(base ? new vscode.RelativePattern(base, pattern) : pattern, undefined, Math.max(limit * 5, 100));
      const found = uris.map((uri): FoundFile => ({ uri: uri.toString(), path: vscode.workspace.asRelativePath(uri, !base && undefined) }));
      const rank = ({ path }: FoundFile) => {
        const name = path.split("/").pop() ?? "";
        const at = name.toLowerCase().indexOf(query.toLowerCase());
        return (at === 0 ? 0 : at > 0 ? 1000 : 2000) + path.length;
      };
      return found.sort((a, b) => rank(a) - rank(b)).slice(0, limit);
    },
    async openFile({ uri, line, endLine, id }) {
      const selection = line ? new vscode.Range(line - 1, 0, (endLine ?? line) - 1, 0) : undefined;
      await vscode.window.showTextDocument(await resolve(parts, uri, id), { selection, preview: true });
      return null;
    },
    async openDiff({ id, uri, line }) {
      await documents.openDiff(id, await resolve(parts, uri, id), line);
      return null;
    },
    async openProposed({ id, requestId, actionId }) {
      await documents.openProposed(id, requestId, actionId);
      return null;
    },
    async openTerminal({ id }) {
      await terminals.show(id);
      return null;
    },
    async openTranscript({ id }) {
      const document = await vscode.workspace.openTextDocument(transcriptUri(await conversations.state(id)));
      await vscode.window.showTextDocument(document, { preview: false });
      return null;
    },
    pickModel: ({ id }) => pickModel(server, conversations, id),
    pickPolicy: ({ id }) => pickPolicy(server, conversations, id),
    async pickFolder() {
      const folder = await pickFolder();
      return folder ? { uri: folder.uri.toString().replace(/\/$/, "") } : null;
    },
    async openFolder() {
      await vscode.commands.executeCommand("vscode.openFolder");
      return null;
    },
    newConversation: async ({ folder, title }, page) => made(await create(parts, folder, { title }), page),
    async tryDemo() {
      // The demo works in a small project of its own, which it makes and removes; the user's folder is not touched.
      vscode.window
        .createTerminal({ name: "Agent RPC demo", shellPath: server.binary().path, shellArgs: ["demo"], iconPath: new vscode.ThemeIcon("hubot") })
        .show();
      return null;
    },
    async deleteConversation({ id, title }) {
      const yes = await vscode.window.showWarningMessage(`Delete “${title}” for good?`, { modal: true }, "Delete");
      if (!yes) return false;
      await server.request("conversation/delete", { id });
      conversations.forget(id);
      return true;
    },
    async renameConversation({ id, title }) {
      const name = (await vscode.window.showInputBox({ title: "Rename", value: title, ignoreFocusOut: true }))?.trim();
      if (!name) return null;
      conversations.keep(await server.request("conversation/update", { id, title: name }));
      return { title: name };
    },
    async exportConversation({ id }) {
      const info = await conversations.state(id);
      const name = `${titleOf(info).replaceAll(/[^\p{L}\p{N} ._-]/gu, "_")}.md`;
      const uri = await vscode.window.showSaveDialog({
        defaultUri: vscode.Uri.joinPath(vscode.Uri.parse(info.workspace), name),
        filters: { Markdown: ["md"] },
      });
      if (uri) await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(await documents.transcript(id)));
      return null;
    },
    async pickImages() {
      const uris = await vscode.window.showOpenDialog({
        canSelectMany: true,
        filters: { Images: Object.keys(images) },
        title: "Images to send along",
      });
      const all = await Promise.all((uris ?? []).map(image));
      return all.filter((i) => i !== undefined);
    },
    async readDropped({ uri }) {
      const at = vscode.Uri.parse(uri);
      const picture = await image(at);
      const share: Share = picture ? { type: "image", ...picture } : { type: "file", uri: at.toString() };
      return share;
    },
    setKey: ({ provider }) => secrets.ask(provider),
    async showLog() {
      log.show(true);
      return null;
    },
    async restartServer() {
      await server.restart();
      return null;
    },
    async openSettings({ query }) {
      await vscode.commands.executeCommand("workbench.action.openSettings", query ?? "@ext:agent-rpc.agent-rpc");
      return null;
    },
    async openWalkthrough() {
      await vscode.commands.executeCommand("workbench.action.openWalkthrough", "agent-rpc.agent-rpc#agentRpc.start", false);
      return null;
    },
    async insertCode({ text, language }) {
      const editor = context.editor;
      if (editor) {
        await editor.edit((edit) => {
          for (const selection of editor.selections) edit.replace(selection, text);
        });
      } else {
        await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content: text, language }));
      }
      return null;
    },
    async copy({ text }) {
      await vscode.env.clipboard.writeText(text);
      return null;
    },
    async openLink({ url }) {
      const uri = vscode.Uri.parse(url, true);
      if (!["http", "https", "mailto"].includes(uri.scheme)) throw new Error(`${uri.scheme}: links are not opened.`);
      await vscode.env.openExternal(uri);
      return null;
    },
    async openInEditor({ id }) {
      parts.openTab(id);
      return null;
    },
    async manageTrust() {
      await vscode.commands.executeCommand("workbench.trust.manage");
      return null;
    },
  };
}
