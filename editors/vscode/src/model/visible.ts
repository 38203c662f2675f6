/**
 * Characters that a reader can't see, and that may make a text look like another one, are printed as their escapes: a command or a diff
 * is approved by what is read.
 */

// C0 and C1 but for tab and line feed, soft hyphen, marks and overrides of direction, zero width characters, line and paragraph
// separators, variation of the byte order mark, interlinear annotations, tags.
const unseen =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

function escaped(c: string): string {
  const code = c.codePointAt(0)!;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** A text with all that can't be seen made visible; `\r\n` is a line's end. */
export function visible(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(unseen, escaped);
}

/** The same for one line: a line break is shown as well. */
export function visibleLine(text: string): string {
  return visible(text).replace(/\n/g, "⏎ ").replace(/\t/g, " ");
}

/** Prose, where joiners belong to words and pictures: only what could mislead is shown. */
export function visibleProse(text: string): string {
  return text.replace(/\r\n?/g, "\n").replace(unseen, (c) => (c === "\u200d" || c === "\u200c" || c === "\u00ad" ? c : escaped(c)));
}

// CSI and OSC sequences, and the two-byte ones.
const sequences = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\^_=>78])/g;

/**
 * What a terminal would show of a program's output: colours are taken away, a carriage return writes the line anew, a backspace takes
 * one character back. What is left of controls is made visible.
 */
export function terminalText(text: string): string {
  const plain = text.replace(sequences, "").replace(/\r+\n/g, "\n");
  const lines = plain.split("\n").map((line) => {
    if (line.includes("\b")) {
      let out = "";
      for (const c of line) out = c === "\b" ? out.slice(0, -1) : out + c;
      line = out;
    }
    const at = line.replace(/\r+$/, "").lastIndexOf("\r");
    return visible(line.slice(at + 1).replace(/\r+$/, ""));
  });
  return lines.join("\n");
}
