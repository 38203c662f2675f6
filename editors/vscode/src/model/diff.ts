/** A difference of two texts by lines, for cards; the editor's own diff view and the server's hunks are what changes are made with. */

export interface DiffLine {
  kind: "same" | "add" | "del";
  /** Counted from 1, on the side that has it. */
  old?: number;
  new?: number;
  text: string;
}

export interface DiffHunk {
  lines: DiffLine[];
  /** What changed as the server writes it in Hunk.text, "-" lines before "+" lines, for each change in the hunk. */
  changes: string[];
}

export interface Diffed {
  hunks: DiffHunk[];
  added: number;
  removed: number;
  /** The texts differ too much to look for the smallest difference. */
  coarse: boolean;
}

/** Where a search for the smallest difference is given up, in edits. */
const maxEdits = 1500;

function split(text: string): string[] {
  if (text === "") return [];
  const out = text.split("\n");
  if (out[out.length - 1] === "") out.pop();
  return out;
}

/** Myers' greedy search. Gives the edit script as kinds, or nothing where more than `maxEdits` would be needed. */
function script(a: string[], b: string[]): Array<"same" | "add" | "del"> | undefined {
  const max = Math.min(a.length + b.length, maxEdits);
  const offset = max + 1;
  const v = new Int32Array(2 * max + 3);
  const trace: Int32Array[] = [];
  for (let d = 0; d <= max; d++) {
    trace.push(v.slice(offset - d - 1, offset + d + 2));
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && v[offset + k - 1]! < v[offset + k + 1]!) ? v[offset + k + 1]! : v[offset + k - 1]! + 1;
      let y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x++;
        y++;
      }
      v[offset + k] = x;
      if (x >= a.length && y >= b.length) return back(trace, a.length, b.length);
    }
  }
  return undefined;
}

function back(trace: Int32Array[], n: number, m: number): Array<"same" | "add" | "del"> {
  const out: Array<"same" | "add" | "del"> = [];
  let x = n;
  let y = m;
  for (let d = trace.length - 1; d >= 0; d--) {
    const v = trace[d]!;
    const at = (k: number) => v[k + d + 1]!;
    const k = x - y;
    const down = k === -d || (k !== d && at(k - 1) < at(k + 1));
    const prevK = down ? k + 1 : k - 1;
    const prevX = d === 0 ? 0 : at(prevK);
    const prevY = d === 0 ? 0 : prevX - prevK;
    while (x > prevX && y > prevY) {
      out.push("same");
      x--;
      y--;
    }
    if (d > 0) {
      out.push(down ? "add" : "del");
      x = prevX;
      y = prevY;
    }
  }
  return out.reverse();
}

/** The difference in hunks with `context` lines around each change. No `before` is a new file. */
export function diff(before: string | undefined, after: string, context = 3): Diffed {
  const a = split(before ?? "");
  const b = split(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const midA = a.slice(head, a.length - tail);
  const midB = b.slice(head, b.length - tail);
  const found = script(midA, midB);
  const middle = found ?? [...midA.map(() => "del" as const), ...midB.map(() => "add" as const)];
  const kinds = [...Array<"same">(head).fill("same"), ...middle, ...Array<"same">(tail).fill("same")];

  const all: DiffLine[] = [];
  let i = 0;
  let j = 0;
  let added = 0;
  let removed = 0;
  for (const kind of kinds) {
    if (kind === "same") all.push({ kind, old: ++i, new: ++j, text: b[j - 1]! });
    else if (kind === "del") {
      all.push({ kind, old: ++i, text: a[i - 1]! });
      removed++;
    } else {
      all.push({ kind, new: ++j, text: b[j - 1]! });
      added++;
    }
  }
  return { hunks: hunks(ordered(all), context), added, removed, coarse: found === undefined };
}

/** Lines that went before lines that came, within each change. */
function ordered(all: DiffLine[]): DiffLine[] {
  const out: DiffLine[] = [];
  for (let i = 0; i < all.length; ) {
    if (all[i]!.kind === "same") {
      out.push(all[i++]!);
      continue;
    }
    let end = i;
    while (end < all.length && all[end]!.kind !== "same") end++;
    const change = all.slice(i, end);
    out.push(...change.filter((line) => line.kind === "del"), ...change.filter((line) => line.kind === "add"));
    i = end;
  }
  return out;
}

function hunks(all: DiffLine[], context: number): DiffHunk[] {
  const out: DiffHunk[] = [];
  let from = -1;
  let last = -1;
  const close = () => {
    if (from < 0) return;
    const lines = all.slice(Math.max(from - context, 0), last + context + 1);
    const changes: string[] = [];
    let text = "";
    for (const line of [...lines, undefined]) {
      if (line && line.kind !== "same") text += `${line.kind === "add" ? "+" : "-"}${line.text}\n`;
      else if (text !== "") {
        changes.push(text);
        text = "";
      }
    }
    out.push({ lines, changes });
  };
  all.forEach((line, i) => {
    if (line.kind === "same") return;
    if (from >= 0 && i - last > 2 * context + 1) {
      close();
      from = i;
    }
    if (from < 0) from = i;
    last = i;
  });
  close();
  return out;
}

/**
 * Whether two texts of changes are the same change. Lines that only came, or only went, may be told one line up or down: of `a b a` after
 * `a` either `b a` or `a b` is what came.
 */
export function sameChange(a: string, b: string): boolean {
  if (a === b) return true;
  const lines = (text: string) => text.replace(/\n$/, "").split("\n");
  const [x, y] = [lines(a), lines(b)];
  if (x.length !== y.length || [...x, ...y].some((line) => line[0] !== x[0]![0])) return false;
  return `\n${[...x, ...x].join("\n")}\n`.includes(`\n${y.join("\n")}\n`);
}
