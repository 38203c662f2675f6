/** The settings of the extension, under `agentRpc`. They are read when they are needed, so that a change holds at once. */
import * as vscode from "vscode";
import type { Init } from "../messages";

const section = () => vscode.workspace.getConfiguration("agentRpc");

/** Path of the server, as the user gave it; "" where the extension looks for it. `~/` is the home folder. Never taken from a project. */
export function binaryPath(): string {
  const found = section().inspect<string>("path");
  return (found?.globalValue ?? "").trim();
}

/** Variables for the server beside the window's own. Never taken from a project. */
export function environment(): Record<string, string> {
  return section().inspect<Record<string, string>>("env")?.globalValue ?? {};
}

/** Model of new conversations, "" for the server's own choice. */
export const model = () => section().get<string>("model", "");

/** How new conversations ask. */
export type Policy = "ask" | "risky" | "never";

/** Policy of new conversations. In a project's settings only a stricter one than the user's counts. */
export function policy(): Policy {
  const order: Policy[] = ["ask", "risky", "never"];
  const found = section().inspect<Policy>("policy");
  const user = found?.globalValue ?? found?.defaultValue ?? "risky";
  const project = found?.workspaceFolderValue ?? found?.workspaceValue ?? user;
  return order[Math.min(order.indexOf(user), order.indexOf(project))] ?? "risky";
}

/** OpenHands' objects for the policies. */
export const policies: Record<Policy, { label: string; detail: string; value: Record<string, unknown> }> = {
  ask: { label: "Always ask", detail: "Before every action", value: { kind: "AlwaysConfirm" } },
  risky: {
    label: "Ask if risky",
    detail: "From medium risk on, and where the risk is unknown",
    value: { kind: "ConfirmRisky", threshold: "MEDIUM", confirm_unknown: true },
  },
  never: { label: "Never ask", detail: "The agent does what it wants, as you", value: { kind: "NeverConfirm" } },
};

/** Who judges the risk: the model's word, and what is known to be dangerous whatever it says. */
export const analyzer = {
  kind: "EnsembleSecurityAnalyzer",
  analyzers: [{ kind: "LLMSecurityAnalyzer" }, { kind: "PatternSecurityAnalyzer" }],
};

/** USD that a new conversation may cost; 0 for no limit. */
export const budget = () => section().get<number>("maxBudget", 0);

/** Steps of a run; 0 for the server's limit. */
export const maxSteps = () => section().get<number>("maxSteps", 0);

/** When to tell outside of the view that a run has ended or waits. */
export const notifications = () => section().get<"unfocused" | "always" | "never">("notifications", "unfocused");

/** Whether each hunk of a change has Keep and Undo above it in the editor. */
export const codeLens = () => section().get<boolean>("changes.codeLens", true);

/** What the view reads. */
export function forView(): Init["settings"] {
  return {
    sendWith: section().get<"enter" | "ctrlEnter">("sendWith", "enter"),
    shareFile: section().get<boolean>("context.file", true),
    shareSelection: section().get<boolean>("context.selection", true),
  };
}
