/** What a first run still needs. */
import * as vscode from "vscode";
import type { Setup } from "../messages";
import type { Server } from "./server";
import * as settings from "./settings";

/** Looks without starting anything: what only a running server knows counts as missing before. */
export async function setup(server: Server): Promise<Setup> {
  const base = {
    folder: (vscode.workspace.workspaceFolders ?? []).length > 0,
    trusted: vscode.workspace.isTrusted,
    policy: settings.policies[settings.policy()].value,
  };
  if (server.state.state !== "running") return { ...base, model: settings.model(), key: settings.model() !== "" };
  const { models, profiles, default: standard } = await server.request("agent/models", {});
  const model = settings.model() || standard || "";
  const known = models.find((m) => m.id === model);
  // A model that nobody lists (a local one, a script) needs no key that we know of.
  const key = model !== "" && (known ? known.available : !profiles.some((p) => p.model === model && p.error));
  return { ...base, model, key };
}
