/** What `@` and `/` mean in the text before the caret. Pure. */

export interface Token {
  kind: "file" | "command";
  query: string;
  /** Where the sign stands in the text. */
  at: number;
}

/** The word that is being written, where it asks for a completion. */
export function tokenAt(text: string, caret: number): Token | undefined {
  const before = text.slice(0, caret);
  const slash = /^\s*\/([\w:.-]*)$/.exec(before);
  if (slash) return { kind: "command", query: slash[1]!, at: before.indexOf("/") };
  const file = /(?:^|[\s(])@([^\s@]*)$/.exec(before);
  return file ? { kind: "file", query: file[1]!, at: caret - file[1]!.length - 1 } : undefined;
}

/** Puts `word` in the token's place, with a space behind it; gives the text and where the caret is then. */
export function completed(text: string, caret: number, token: Token, word: string): { text: string; caret: number } {
  const after = text
    .slice(caret)
    .replace(/^[^\s]*/, "")
    .replace(/^ /, "");
  const head = `${text.slice(0, token.at)}${word} `;
  return { text: head + after, caret: head.length };
}

/** Splits a text so that the parts that a query finds can be marked. */
export function hits(text: string, query: string): Array<{ text: string; hit: boolean }> {
  const q = query.trim().toLowerCase();
  const at = q === "" ? -1 : text.toLowerCase().indexOf(q);
  if (at < 0) return [{ text, hit: false }];
  return [
    { text: text.slice(0, at), hit: false },
    { text: text.slice(at, at + q.length), hit: true },
    { text: text.slice(at + q.length), hit: false },
  ].filter((part) => part.text !== "");
}
