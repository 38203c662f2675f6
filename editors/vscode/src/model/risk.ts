/** What an approval shows of an action: its exact text, the risky parts in it, and the words around. */
import type { ActionPart, PendingAction } from "../protocol";

/** Piece is a run of text; `risk` is set where it is to be marked. */
export interface Piece {
  text: string;
  risk?: string;
}

const rank: Record<string, number> = { LOW: 1, MEDIUM: 2, HIGH: 3 };

/** The riskiest level among the parts, where it is worth a mark. */
export function worst(parts: ActionPart[]): string | undefined {
  const top = parts.reduce((max, part) => Math.max(max, rank[part.risk] ?? 0), 0);
  return top === 3 ? "HIGH" : top === 2 ? "MEDIUM" : undefined;
}

/** A command in pieces, its riskiest parts marked. The pieces joined are the command, to the character. */
export function pieces(command: string, parts: ActionPart[] | undefined): Piece[] {
  const level = worst(parts ?? []);
  if (!level) return [{ text: command }];
  const out: Piece[] = [];
  let at = 0;
  let from = 0;
  for (const part of parts!) {
    const found = part.text === "" ? -1 : command.indexOf(part.text, from);
    if (found < 0) continue;
    // Parts come in order; one may stand inside another.
    from = found;
    if (part.risk !== level || found < at) continue;
    if (found > at) out.push({ text: command.slice(at, found) });
    out.push({ text: part.text, risk: level });
    at = from = found + part.text.length;
  }
  if (at < command.length) out.push({ text: command.slice(at) });
  return out;
}

/** The exact text of an action that is no edit: a command as it is, other arguments as JSON. */
export function exactText(action: PendingAction): string {
  const input = (action.input ?? {}) as Record<string, unknown>;
  if (action.kind === "execute" && typeof input.command === "string" && input.command !== "") return input.command;
  const { kind: _, ...rest } = input;
  const shown = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
  return Object.keys(shown).length > 0 ? JSON.stringify(shown, null, 2) : action.title;
}

export function question(action: PendingAction): string {
  switch (action.kind) {
    case "execute":
      return "Run command?";
    case "edit":
      return action.diff && action.diff.oldText === undefined ? "Create file?" : "Edit file?";
    case "delete":
      return "Delete file?";
    case "move":
      return "Move file?";
    case "read":
      return "Read file?";
    case "search":
      return "Search?";
    case "fetch":
      return "Fetch from the network?";
    default:
      return "Call tool?";
  }
}

export function riskWord(risk: string | undefined): string {
  switch (risk) {
    case "HIGH":
      return "High risk";
    case "MEDIUM":
      return "Medium risk";
    case "LOW":
      return "Low risk";
    default:
      return "Risk not known";
  }
}

/** `high`, `medium`, `low` or `neutral`, as classes name it. */
export function riskClass(risk: string | undefined): string {
  return rank[risk ?? ""] ? risk!.toLowerCase() : "neutral";
}
