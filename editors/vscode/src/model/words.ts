/** What is said of steps, policies and failures; the same words in every face of agent-rpc. */
import type { Classification, Display, Pending, PendingAction } from "../protocol";

/** The words that a title may begin with: the first is what is done. */
const titleVerbs = new Set("Read Create Edit Undo Delete Move Search Find List Run Send Reset Wait Fetch Open Call Think Finish".split(" "));

const kindVerbs: Record<string, string> = {
  read: "Read",
  edit: "Edit",
  delete: "Delete",
  move: "Move",
  search: "Search",
  execute: "Run",
  think: "Think",
  fetch: "Fetch",
};

/** Takes ASCII white space away at both ends, as all faces do. */
export function trim(text: string): string {
  return text.replace(/^[\s]+/, "").replace(/[\s]+$/, "");
}

export function firstLine(text: string): string {
  return trim(trim(text).split("\n", 1)[0]!);
}

export function lines(text: string): string[] {
  return text.replace(/\s+$/, "").split(/\r?\n/);
}

/** A path as it is shown: relative to the workspace (an absolute path) where it is inside. */
export function relative(workspace: string, path: string): string {
  return workspace !== "" && path.startsWith(workspace + "/") ? path.slice(workspace.length + 1) : path;
}

/** Splits what a tool says of itself into what is done and to what. */
export function subject(display: Display | undefined, tool: string, workspace: string): [verb: string, object: string] {
  const title = trim(display?.title ?? "");
  if (title === "") return ["Call", tool];
  const m = /^(\S+)\s+([\s\S]+)$/.exec(title);
  if (m && titleVerbs.has(m[1]!)) return [m[1]!, relative(workspace, m[2]!)];
  const verb = kindVerbs[display?.kind ?? ""] ?? "Call";
  return title === verb ? [verb, ""] : [verb, relative(workspace, title)];
}

/** The path of a file: URI. Anything else is given back as it is. */
export function path(uri: string): string {
  const m = /^file:\/\/[^/]*(\/.*)$/.exec(uri);
  if (!m) return uri;
  try {
    return decodeURIComponent(m[1]!);
  } catch {
    return m[1]!;
  }
}

/** Policy is OpenHands' confirmation policy, as far as it is read here. */
export interface Policy {
  kind?: string;
  threshold?: string;
  confirm_unknown?: boolean;
}

const policyNames: Record<string, string> = {
  AlwaysConfirm: "Ask",
  NeverConfirm: "Never ask",
  ConfirmRisky: "Ask if risky",
};

export function policyName(policy: unknown): string {
  const kind = (policy as Policy | undefined)?.kind ?? "";
  return policyNames[kind] ?? kind;
}

/** Why an action waits: its own reason, or the rule that asks where the reason only repeats the risk. */
export function why(action: PendingAction, pending: Pending, policy: Policy | undefined): string {
  for (const reason of [action.reason ?? "", pending.reason ?? ""]) {
    if (reason !== "" && !reason.includes("its risk is ")) return reason;
  }
  if (policy?.kind === "AlwaysConfirm") return 'policy "ask" stops at every action';
  if (policy?.kind === "ConfirmRisky") {
    if (!action.risk || action.risk === "UNKNOWN") return 'policy "ask if risky" stops where the risk is not known';
    const threshold = policy.threshold ?? "HIGH";
    if (threshold === "HIGH") return 'policy "ask if risky" stops at high';
    return `policy "ask if risky" stops at ${threshold.toLowerCase()} and above`;
  }
  return "";
}

const rank: Record<string, number> = { LOW: 1, MEDIUM: 2, HIGH: 3 };

/** Tells whether the policy would have asked about a risk. */
export function asks(policy: Policy | undefined, risk: string | undefined): boolean {
  if (policy?.kind === "ConfirmRisky") {
    const r = rank[risk ?? ""];
    return r === undefined ? policy.confirm_unknown !== false : r >= (rank[policy.threshold ?? ""] ?? 3);
  }
  return policy?.kind !== undefined && policy.kind !== "NeverConfirm";
}

const failures: Record<string, string> = {
  auth: "The model refused the key",
  quota: "The account's quota is used up",
  rate_limit: "The model takes no more requests for now",
  config: "The model refused the request",
  transient: "The model could not be reached",
  internal: "The run failed inside agent-rpc",
};

/** Puts an error into words: what happened, and the provider's own text if that says more. */
export function explain(
  code: string | undefined,
  text: string | undefined,
  classification: Partial<Classification> | undefined,
): [what: string, detail: string] {
  const message = trim(text ?? "");
  const what = failures[classification?.kind ?? ""];
  if (what === undefined) {
    if (message !== "") return [firstLine(message), trim(message.split("\n").slice(1).join("\n"))];
    return [code ? `The run failed: ${code}` : "The run failed", ""];
  }
  const m = /^([\w.-]+): ([\s\S]*) \(HTTP (\d\d\d)\)$/.exec(message);
  if (!m) return [what, message];
  const names: Record<string, string> = { openai: "OpenAI", openrouter: "OpenRouter" };
  const provider = names[m[1]!] ?? m[1]![0]!.toUpperCase() + m[1]!.slice(1);
  return [`${what} (${provider}, ${m[3]})`, m[2]!];
}
