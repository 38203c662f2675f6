/** What the agent changed and nobody has kept: a line for each file, its hunks below, keep and undo for each. */
import { useState } from "preact/hooks";
import { plural } from "../model/figures";
import { visibleLine } from "../model/visible";
import * as words from "../model/words";
import type { FileChange } from "../protocol";
import { Button, Icon, IconButton, Link, PathName, Stat, useStore } from "./common";
import { HunkLines } from "./diffview";

const letters: Record<string, [letter: string, colour: string]> = {
  added: ["A", "add"],
  modified: ["M", "warn"],
  deleted: ["D", "del"],
  renamed: ["R", "live"],
};

export function Changes() {
  const store = useStore();
  const [asking, setAsking] = useState(false);
  const c = store.conversation;
  const files = c?.changes?.files;
  if (!c || !files) return null;
  const sum = (of: (file: FileChange) => number) => files.reduce((n, file) => n + of(file), 0);
  return (
    <section class="card changes" aria-label="Changes that are not kept yet">
      <header>
        <b>Changes</b>
        <span class="muted">{plural(files.length, "file")}</span>
        <Stat added={sum((f) => f.additions)} removed={sum((f) => f.deletions)} />
        <span class="grow" />
        <Link onClick={() => void store.try(store.host.ask("openDiff", { id: c.id, uri: files[0]!.uri }))}>Review</Link>
      </header>
      {files.map((file) => (
        <File key={file.uri} file={file} />
      ))}
      <footer>
        {asking ? (
          <>
            <span class="grow">Undo all that the agent changed in {plural(files.length, "file")}?</span>
            <Button
              small
              onClick={() => {
                setAsking(false);
                void store.decide("undo");
              }}
            >
              Undo all
            </Button>
            <Button small onClick={() => setAsking(false)}>
              Cancel
            </Button>
          </>
        ) : (
          <>
            <Button small icon="check-all" onClick={() => void store.decide("keep")}>
              Keep all
            </Button>
            <Button small icon="discard" title="The agent is told what was undone" onClick={() => setAsking(true)}>
              Undo all…
            </Button>
          </>
        )}
      </footer>
    </section>
  );
}

function File({ file }: { file: FileChange }) {
  const store = useStore();
  const c = store.conversation!;
  const id = `change:${file.uri}`;
  const open = store.isOpen(id, false) && file.hunks.length > 0;
  const path = words.relative(words.path(c.info!.workspace).replace(/\/$/, ""), words.path(file.uri));
  const name = visibleLine(path.slice(path.lastIndexOf("/") + 1));
  const [letter, colour] = letters[file.status] ?? ["M", "warn"];
  const conflict = c.conflicts.get(file.uri);
  return (
    <>
      <div class="file">
        {file.hunks.length > 0 ? (
          <IconButton
            icon="chevron-right"
            class={`tw ${open ? "down" : ""}`}
            label={open ? `Hide the changes of ${name}` : `Show the changes of ${name}`}
            onClick={() => store.setOpen(id, !open)}
          />
        ) : (
          <span class="ib" />
        )}
        <span class={`l ${colour}`} title={file.status} role="img" aria-label={file.status}>
          {letter}
        </span>
        <button
          type="button"
          class="grow clip name-link"
          title="Open the diff"
          onClick={() => void store.try(store.host.ask("openDiff", { id: c.id, uri: file.uri }))}
        >
          <PathName path={path} />
        </button>
        {file.binary ? <span class="meta">binary</span> : <Stat added={file.additions} removed={file.deletions} />}
        <span class="acts">
          <IconButton icon="discard" label={`Undo ${name}`} onClick={() => void store.decide("undo", file.uri)} />
          <IconButton icon="check" label={`Keep ${name}`} onClick={() => void store.decide("keep", file.uri)} />
        </span>
      </div>
      {conflict && <p class="note-line err">Not undone: {visibleLine(conflict)}</p>}
      {open && (
        <div class="diff">
          {file.hunks.map((hunk) => {
            const refused = c.conflicts.get(`${file.uri}#${hunk.id}`);
            return (
              <div key={hunk.id}>
                <div class="hunk">
                  <span class="grow clip">line {hunk.newStart}</span>
                  <Link label={`Keep line ${hunk.newStart} of ${name}`} onClick={() => void store.decide("keep", file.uri, [hunk.id])}>
                    Keep
                  </Link>
                  <Link label={`Undo line ${hunk.newStart} of ${name}`} onClick={() => void store.decide("undo", file.uri, [hunk.id])}>
                    Undo
                  </Link>
                </div>
                {refused && (
                  <p class="note-line err">
                    <Icon name="warning" /> Not undone: {visibleLine(refused)}
                  </p>
                )}
                <HunkLines hunk={hunk} />
              </div>
            );
          })}
        </div>
      )}
    </>
  );
}
