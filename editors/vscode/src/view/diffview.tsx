/** Lines of a diff: wrapped, never scrolled sideways, with what can't be seen made visible. */
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { type DiffHunk, type DiffLine, diff } from "../model/diff";
import { visible } from "../model/visible";
import type { Diff, Hunk } from "../protocol";

const signs = { same: "\u00a0", add: "+", del: "−" };
const classes = { same: "dl", add: "dl a", del: "dl r" };
const words = { same: "", add: "added: ", del: "removed: " };

function Line({ line }: { line: DiffLine }) {
  return (
    <div class={classes[line.kind]}>
      <i>{line.new ?? line.old}</i>
      <b aria-hidden="true">{signs[line.kind]}</b>
      <code>
        {words[line.kind] && <span class="vh">{words[line.kind]}</span>}
        {visible(line.text)}
      </code>
    </div>
  );
}

/** How many lines of a diff are shown before "Show all". */
const most = 400;

/** What a tool did or would do to a file. `acts` gives the buttons of a hunk. */
export function DiffView(props: { diff: Diff; acts?: (hunk: DiffHunk) => ComponentChildren; all?: boolean; showAll?: () => void }) {
  const { oldText, newText } = props.diff;
  const { hunks } = useMemo(() => diff(oldText, newText), [oldText, newText]);
  let left = props.all ? Number.POSITIVE_INFINITY : most;
  let hidden = 0;
  return (
    <div class="diff">
      {hunks.map((hunk, i) => {
        const lines = hunk.lines.slice(0, Math.max(left, 0));
        left -= hunk.lines.length;
        hidden += hunk.lines.length - lines.length;
        if (lines.length === 0) return null;
        const acts = props.acts?.(hunk);
        return (
          <div key={i} class="part-of-diff">
            {(acts || i > 0) && (
              <div class="hunk">
                <span class="grow clip">line {hunk.lines[0]!.new ?? hunk.lines[0]!.old}</span>
                {acts}
              </div>
            )}
            {lines.map((line, n) => (
              <Line key={n} line={line} />
            ))}
          </div>
        );
      })}
      {hunks.length === 0 && <div class="hunk">The text stays the same</div>}
      {hidden > 0 && (
        <div class="hunk">
          <span class="grow">{hidden} more lines</span>
          <button type="button" class="lnk" onClick={props.showAll}>
            Show all
          </button>
        </div>
      )}
    </div>
  );
}

/** A hunk of `conversation/changes`. */
export function HunkLines({ hunk }: { hunk: Hunk }) {
  const lines = useMemo(() => {
    let old = hunk.oldStart;
    let now = hunk.newStart;
    return hunk.text
      .replace(/\n$/, "")
      .split("\n")
      .map((text): DiffLine => {
        if (text.startsWith("-")) return { kind: "del", old: old++, text: text.slice(1) };
        return { kind: "add", new: now++, text: text.slice(1) };
      });
  }, [hunk.text, hunk.oldStart, hunk.newStart]);
  return (
    <>
      {lines.slice(0, most).map((line, i) => (
        <Line key={i} line={line} />
      ))}
      {lines.length > most && <div class="hunk">{lines.length - most} more lines: open the diff to see them</div>}
    </>
  );
}
