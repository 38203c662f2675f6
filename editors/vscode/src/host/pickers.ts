/** The native pickers: model, policy, folder, conversation. */
import * as vscode from "vscode";
import type { Info } from "../protocol";
import { type Conversations, titleOf } from "./conversations";
import { asError, type Server } from "./server";
import * as settings from "./settings";

/** Says what went wrong, with what helps. */
export function tell(e: unknown): void {
  const error = asError(e);
  const remedies: Record<string, [label: string, command: string]> = {
    auth_required: ["Set Key…", "agentRpc.setKey"],
    persistence_error: ["Show Log", "agentRpc.showLog"],
  };
  const remedy = remedies[error.data?.kind ?? ""];
  void vscode.window.showErrorMessage(`Agent RPC: ${error.message}`, ...(remedy ? [remedy[0]] : [])).then((chosen) => {
    if (chosen && remedy) void vscode.commands.executeCommand(remedy[1], error.data?.["provider"]);
  });
}

type Chosen = { model: string; profile?: string };

/** Picks a model that has a key, or a saved one. With `id` the conversation is switched to it, else new ones use it. */
export async function pickModel(server: Server, conversations: Conversations, id?: string): Promise<Chosen | null> {
  const { models, profiles, default: standard } = await server.request("agent/models", {});
  type Item = vscode.QuickPickItem & { chosen?: Chosen; type?: boolean };
  const items: Item[] = [];
  const cost = (n?: number) => (n ? `$${n}` : "");
  if (profiles.length > 0) items.push({ label: "Profiles", kind: vscode.QuickPickItemKind.Separator });
  for (const p of profiles) items.push({ label: p.name, description: p.model, detail: p.error, chosen: { model: p.model, profile: p.name } });
  const ready = models.filter((m) => m.available);
  if (ready.length > 0) items.push({ label: "Models with a key", kind: vscode.QuickPickItemKind.Separator });
  for (const m of ready) {
    const facts = [
      m.contextWindow ? `${Math.round(m.contextWindow / 1000)}k tokens` : "",
      m.inputCost || m.outputCost ? `${cost(m.inputCost)} in, ${cost(m.outputCost)} out per million` : "",
    ];
    items.push({ label: m.name, description: m.id, detail: facts.filter(Boolean).join(" · "), chosen: { model: m.id } });
  }
  items.push({ label: "", kind: vscode.QuickPickItemKind.Separator });
  items.push({ label: "$(edit) Another model…", description: "PROVIDER/NAME", type: true });
  const current = id ? (await conversations.state(id)).model : settings.model() || standard;
  const picked = await vscode.window.showQuickPick(items, {
    title: "Model",
    placeHolder: current ? `Now ${current}` : "No model yet",
    matchOnDescription: true,
  });
  let chosen = picked?.chosen;
  if (picked?.type) {
    const model = await vscode.window.showInputBox({ title: "Model", prompt: "PROVIDER/NAME, such as ollama/qwen3-coder", ignoreFocusOut: true });
    chosen = model ? { model: model.trim() } : undefined;
  }
  if (!chosen) return null;
  if (id) {
    const info = await server.request(
      "conversation/switchModel",
      chosen.profile ? { id, profile: chosen.profile } : { id, llm: { model: chosen.model } },
    );
    conversations.keep(info);
  } else {
    await vscode.workspace.getConfiguration("agentRpc").update("model", chosen.model, vscode.ConfigurationTarget.Global);
  }
  return chosen;
}

/** Picks when the agent asks: in a conversation, or in new ones. */
export async function pickPolicy(server: Server, conversations: Conversations, id?: string): Promise<{ policy: unknown } | null> {
  const items = (Object.keys(settings.policies) as settings.Policy[]).map((name) => ({ name, ...settings.policies[name] }));
  const picked = await vscode.window.showQuickPick(items, { title: "When does the agent ask?" });
  if (!picked) return null;
  if (id) conversations.keep(await server.request("conversation/setConfirmationPolicy", { id, policy: picked.value }));
  else await vscode.workspace.getConfiguration("agentRpc").update("policy", picked.name, vscode.ConfigurationTarget.Global);
  return { policy: picked.value };
}

/** The folder of a new conversation: the only one, or the one that is picked. */
export async function pickFolder(): Promise<vscode.WorkspaceFolder | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  return folders.length > 1 ? vscode.window.showWorkspaceFolderPick({ placeHolder: "Which folder does the agent work in?" }) : folders[0];
}

const ago = (stamp: string) => {
  const minutes = Math.round((Date.now() - Date.parse(stamp)) / 60_000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 1440 ? `${Math.round(minutes / 60)} h ago` : `${Math.round(minutes / 1440)} d ago`;
};

/** Picks a stored conversation. */
export async function pickConversation(server: Server): Promise<Info | undefined> {
  const { items } = await server.request("conversation/list", { limit: 200 });
  const picked = await vscode.window.showQuickPick(
    items.map((info) => ({
      label: titleOf(info),
      description: `${info.status.replaceAll("_", " ")} · ${ago(info.updatedAt)}`,
      detail: vscode.Uri.parse(info.workspace).fsPath,
      info,
    })),
    { title: "Conversations", matchOnDetail: true },
  );
  return picked?.info;
}
