/** The recordings of testdata/conversations, which the tests of both editors read. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Fold } from "../../src/model/fold";
import type { Row } from "../../src/model/row";
import type { DeltaNotification, EventNotification, Info } from "../../src/protocol";

declare const ROOT: string;
const folder = join(ROOT, "testdata/conversations");

export interface Line {
  method: string;
  params?: unknown;
  result?: { conversation: Info };
}

export const names = readdirSync(folder)
  .filter((name) => name.endsWith(".jsonl"))
  .map((name) => name.slice(0, -".jsonl".length));

export function recording(name: string): Line[] {
  return readFileSync(join(folder, `${name}.jsonl`), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

export function expected(name: string): unknown {
  return JSON.parse(readFileSync(join(folder, `${name}.rows.json`), "utf8"));
}

export function created(lines: Line[]): Fold {
  return new Fold(lines[0]!.result!.conversation);
}

export function feed(fold: Fold, line: Line): void {
  if (line.method === "conversation/event") fold.event(line.params as EventNotification);
  else if (line.method === "conversation/delta") fold.delta(line.params as DeltaNotification);
  else if (line.method === "conversation/stateChanged") fold.state(line.params as Info);
}

/** As `conversation/open` gives what came with `lines`: the newest state first, then the events. */
export function reopened(lines: Line[]): Fold {
  let info = lines[0]!.result!.conversation;
  for (const line of lines) if (line.method === "conversation/stateChanged") info = line.params as Info;
  const fold = new Fold(info);
  for (const line of lines) if (line.method === "conversation/event") fold.event(line.params as EventNotification);
  return fold;
}

const fields = "kind text streaming verb object status summary added removed took risk reason ask output context skills items facts details".split(
  " ",
) as Array<keyof Row>;

/** What testdata/README.md says of the rows, and nothing else. */
export function shown(fold: Fold): unknown[] {
  return [...fold.rows, ...fold.tail()]
    .filter((row) => !row.hidden)
    .map((row) => {
      const out: Record<string, unknown> = {};
      for (const field of fields) {
        const value = row[field];
        if (value === undefined || value === "" || value === false || (Array.isArray(value) && value.length === 0)) continue;
        out[field] = field === "ask" ? { n: row.ask!.n, of: row.ask!.of, ...(row.ask!.why && { why: row.ask!.why }) } : value;
      }
      return out;
    });
}
