/** Rows as a list of what is on screen: the plan goes to its own place, long runs of steps fold to one line. */
import { plural } from "./figures";
import type { Row } from "./row";

export interface RowItem {
  type: "row";
  id: string;
  row: Row;
  /** It stands in one list with the item before it, without a gap. */
  joined: boolean;
}

/** Group is a run of steps as one line: "23 steps · 8 read, 6 edits, 9 commands · 1 failed". */
export interface GroupItem {
  type: "group";
  id: string;
  rows: Row[];
  open: boolean;
  joined: boolean;
}

export type Item = RowItem | GroupItem;

/** From how many steps on a run of them folds, once the turn is over and while it is not. */
const foldedAfter = 4;
const foldedWhile = 9;
/** How many of the newest stay in sight while the turn goes on. */
const kept = 3;

const inSteps = (row: Row) => row.kind === "step" || row.kind === "thinking";

/** A step that needs the user, or that still runs, is never folded away. */
const folds = (row: Row) => inSteps(row) && row.status !== "waiting" && row.status !== "running" && row.status !== "open" && !row.streaming;

/**
 * Items of rows. `opened` tells whether the user has opened a group. What the composer or the header shows (queued messages, the plan)
 * is left out.
 */
export function items(rows: Row[], opened: (group: string) => boolean): Item[] {
  const out: Item[] = [];
  const shown = rows.filter((row) => !row.hidden && row.kind !== "queued" && row.kind !== "plan");
  // Where the turn of each row is over: an ending comes, or another message.
  const over = new Array<boolean>(shown.length);
  let ended = false;
  for (let i = shown.length - 1; i >= 0; i--) {
    if (shown[i]!.kind === "end") ended = true;
    over[i] = ended;
  }
  for (let i = 0; i < shown.length; ) {
    if (!inSteps(shown[i]!)) {
      out.push({ type: "row", id: shown[i]!.id, row: shown[i]!, joined: false });
      i++;
      continue;
    }
    let end = i;
    while (end < shown.length && inSteps(shown[end]!)) end++;
    run(shown.slice(i, end), over[i]!, opened, out);
    i = end;
  }
  return out;
}

function run(rows: Row[], over: boolean, opened: (group: string) => boolean, out: Item[]): void {
  let n = 0;
  while (n < rows.length && folds(rows[n]!)) n++;
  const steps = rows.slice(0, n).filter((row) => row.kind === "step").length;
  if (!over) n = Math.max(n - kept, 0);
  const first = out.length;
  if (steps >= (over ? foldedAfter : foldedWhile) && n > 1) {
    const id = `group:${rows[0]!.id}`;
    const open = opened(id);
    out.push({ type: "group", id, rows: rows.slice(0, n), open, joined: false });
    if (!open) rows = rows.slice(n);
  }
  for (const row of rows) out.push({ type: "row", id: row.id, row, joined: out.length > first });
}

const nouns: Record<string, [one: string, many: string]> = {
  Read: ["read", "read"],
  Edit: ["edit", "edits"],
  Create: ["edit", "edits"],
  Undo: ["edit", "edits"],
  Delete: ["edit", "edits"],
  Move: ["edit", "edits"],
  Run: ["command", "commands"],
  Send: ["command", "commands"],
  Search: ["search", "searches"],
  Find: ["search", "searches"],
  List: ["search", "searches"],
  Fetch: ["fetch", "fetches"],
  Open: ["fetch", "fetches"],
};

/** What a group says of itself. */
export function summary(rows: Row[]): { steps: string; parts: string; failed: string } {
  const counts = new Map<string, number>();
  let steps = 0;
  let failed = 0;
  let rejected = 0;
  for (const row of rows) {
    if (row.kind !== "step") continue;
    steps++;
    if (row.status === "failed") failed++;
    if (row.status === "rejected") rejected++;
    const [one] = nouns[row.verb ?? ""] ?? ["other", "others"];
    counts.set(one, (counts.get(one) ?? 0) + 1);
  }
  const many = new Map(Object.values(nouns).map(([one, more]) => [one, more]));
  const order = [...counts].sort(([a], [b]) => Number(a === "other") - Number(b === "other"));
  const parts = order.map(([one, n]) => `${n} ${n === 1 ? one : (many.get(one) ?? "others")}`).join(", ");
  return {
    steps: plural(steps, "step"),
    parts,
    failed: [failed > 0 && `${failed} failed`, rejected > 0 && `${rejected} rejected`].filter(Boolean).join(", "),
  };
}

const past: Record<string, string> = {
  Read: "Read",
  Create: "Created",
  Edit: "Edited",
  Undo: "Undid",
  Delete: "Deleted",
  Move: "Moved",
  Search: "Searched",
  Find: "Found",
  List: "Listed",
  Run: "Ran",
  Send: "Sent",
  Reset: "Reset",
  Wait: "Waited",
  Fetch: "Fetched",
  Open: "Opened",
  Call: "Called",
};
const present: Record<string, string> = {
  Read: "Reading",
  Create: "Creating",
  Edit: "Editing",
  Undo: "Undoing",
  Delete: "Deleting",
  Move: "Moving",
  Search: "Searching",
  Find: "Finding",
  List: "Listing",
  Run: "Running",
  Send: "Sending",
  Reset: "Resetting",
  Wait: "Waiting",
  Fetch: "Fetching",
  Open: "Opening",
  Call: "Calling",
};

/** The verb of a step as a sentence has it: what was done, or is being done. */
export function spoken(row: Row): string {
  const verb = row.verb ?? "";
  if (row.status === "done" || row.status === "failed") return past[verb] ?? verb;
  if (row.status === "running") return present[verb] ?? verb;
  return verb;
}

/** A path as a name and its folder; nothing where the object is no path. */
export function nameAndFolder(row: Row): { name: string; folder: string } | undefined {
  const verbs = ["Read", "Edit", "Create", "Undo", "Delete"];
  const object = row.object ?? "";
  if (!verbs.includes(row.verb ?? "") || object === "" || object.endsWith("/")) return undefined;
  const at = object.lastIndexOf("/");
  return { name: object.slice(at + 1), folder: at > 0 ? object.slice(0, at) : "" };
}
