/** One component for each kind of row. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { sameChange } from "../model/diff";
import * as figures from "../model/figures";
import { plural } from "../model/figures";
import { type GroupItem, nameAndFolder, spoken, summary } from "../model/list";
import type { Row } from "../model/row";
import { terminalText, visible, visibleLine, visibleProse } from "../model/visible";
import { firstLine, lines as linesOf } from "../model/words";
import { Button, Icon, IconButton, Link, PathName, Spinner, Stat, useNow, useStore } from "./common";
import { waits } from "./conversation";
import { DiffView } from "./diffview";
import { blocks } from "./markdown";
import type { Store } from "./store";

/** A chip of what was sent along, by the word that the fold gives it. */
export function ContextChip({ word }: { word: string }) {
  const problems = /^problems in (.*)$/.exec(word);
  const lines = /^(.*):(\d+)-(\d+)$/.exec(word);
  const images = /^\d+ images?$/.test(word);
  const path = problems?.[1] ?? lines?.[1] ?? word;
  const name = path.slice(path.lastIndexOf("/") + 1);
  return (
    <span class={`chip ${problems ? "warn" : ""}`} title={visible(word)}>
      <Icon name={problems ? "warning" : images ? "file-media" : lines ? "list-selection" : "file"} />
      <span class="clip">{problems ? `Problems in ${visibleLine(name)}` : visibleLine(name)}</span>
      {lines && (
        <span class="n">
          {lines[2]}–{lines[3]}
        </span>
      )}
    </span>
  );
}

export function Images({ urls }: { urls: string[] | undefined }) {
  const shown = (urls ?? []).filter((url) => /^data:image\/(png|jpeg|gif|webp);base64,/.test(url));
  if (shown.length === 0) return null;
  return (
    <div class="images">
      {shown.map((url, i) => (
        <img key={i} src={url} alt={`Attached, ${i + 1} of ${shown.length}`} />
      ))}
    </div>
  );
}

/** How much of a message of the user is shown before it is opened. */
const longMessage = 1500;

export function UserRow({ row, busy }: { row: Row; busy: boolean }) {
  const store = useStore();
  const text = visibleProse(row.text ?? "");
  const open = store.isOpen(row.id, text.length <= longMessage);
  const { conversation } = store;
  return (
    <article class="you" aria-label="You">
      {((row.context?.length ?? 0) > 0 || (row.skills?.length ?? 0) > 0) && (
        <div class="chips">
          {row.context?.map((word, i) => (
            <ContextChip key={i} word={word} />
          ))}
          {row.skills?.map((skill) => (
            <span key={skill} class="chip" title={`The skill ${visibleLine(skill)} was shown to the model`}>
              <Icon name="lightbulb" />
              <span class="clip">{visibleLine(skill)}</span>
            </span>
          ))}
        </div>
      )}
      <Images urls={row.images} />
      <p class="typed">{open ? text : `${text.slice(0, longMessage)}…`}</p>
      {text.length > longMessage && <Link onClick={() => store.setOpen(row.id, !open)}>{open ? "Show less" : "Show all"}</Link>}
      {!busy && conversation && !conversation.readOnly && row.seq !== undefined && (
        <span class="you-acts">
          <IconButton
            icon="discard"
            label="Go back to before this message and edit it"
            title="Edit: go back to before this message. What came after stays on its own branch."
            onClick={() => void store.rewind(row.parent, row.text ?? "")}
          />
          {row.parent && (
            <IconButton icon="repo-forked" label="Fork from before this message" onClick={() => void store.fork(conversation.id, row.parent)} />
          )}
        </span>
      )}
    </article>
  );
}

export function TextRow({ row }: { row: Row }) {
  const html = blocks(row.text ?? "");
  return (
    <div class={`md ${row.streaming ? "streaming" : ""}`} aria-label="Agent" role="article">
      {html.map((block, i) => (
        // Sanitised by markdown.ts; a block that stays the same is not touched.
        <div key={i} class={`block ${row.streaming && i === html.length - 1 ? "caret" : ""}`} dangerouslySetInnerHTML={{ __html: block }} />
      ))}
    </div>
  );
}

function Disclosure(props: { id: string; open: boolean; summary: ComponentChildren; children?: ComponentChildren; class?: string; plain?: boolean }) {
  const store = useStore();
  return (
    <div class={`step ${props.class ?? ""} ${props.open ? "is-open" : ""}`}>
      {props.plain ? (
        <div class="line">{props.summary}</div>
      ) : (
        <button type="button" class="line" aria-expanded={props.open} onClick={() => store.setOpen(props.id, !props.open)}>
          {props.summary}
        </button>
      )}
      {props.open && props.children && <div class="body">{props.children}</div>}
    </div>
  );
}

export function ThinkingRow({ row }: { row: Row }) {
  const store = useStore();
  const open = store.isOpen(row.id, false);
  const text = visibleProse(row.text ?? "");
  const verb = row.streaming ? "Thinking" : row.took ? `Thought for ${row.took}` : "Thought";
  return (
    <Disclosure
      id={row.id}
      open={open}
      summary={
        <>
          {row.streaming ? <Spinner /> : <Icon name="chevron-right" class="tw" />}
          <span class="verb">{verb}</span>{" "}
          <span class="obj muted clip">{open ? "" : firstLine(row.streaming ? (text.split("\n").at(-1) ?? "") : text)}</span>
        </>
      }
    >
      <div class="think-text typed">{text}</div>
    </Disclosure>
  );
}

const glyphs: Record<string, [icon: string, colour: string, word: string]> = {
  done: ["check", "ok", "Done"],
  failed: ["error", "err", "Failed"],
  rejected: ["circle-slash", "muted", "Rejected"],
  open: ["circle", "muted", "Not carried out"],
  waiting: ["question", "warn", "Waits for you"],
};

/** How long a call has run by now, from one second on. */
function Since({ started }: { started: number | undefined }) {
  const now = useNow(true);
  const [seen] = useState(() => Date.now());
  // The stamps of events are the server's: where its clock is another one, time counts from when the row was first seen.
  const own = started !== undefined && now - started >= 0 && seen - started < 24 * 3600_000 ? started : seen;
  const ms = now - own;
  return ms >= 1000 ? <time>{figures.elapsed(ms)}</time> : null;
}

/** How many lines of output are shown before "Show all". */
const outputLines = 12;

export function StepRow({ row, clock }: { row: Row; clock: (at: number | undefined) => number | undefined }) {
  const store = useStore();
  const running = row.status === "running";
  const failed = row.status === "failed";
  const hasBody = !!(row.result || row.live || row.output?.length || row.display?.diff || row.reason || row.images?.length || hasInput(row));
  const open = hasBody && store.isOpen(row.id, failed || (running && !!row.live));
  const path = nameAndFolder(row);
  const [icon, colour, word] = glyphs[row.status ?? "open"] ?? glyphs.open!;
  const result = row.summary ?? (row.status === "rejected" ? "rejected" : row.status === "open" ? "not carried out" : "");
  return (
    <Disclosure
      id={row.id}
      open={open}
      plain={!hasBody}
      summary={
        <>
          {running ? <Spinner /> : <Icon name={icon} class={colour} />}
          <span class="vh">{running ? "Running" : word}: </span>
          <span class="verb">{spoken(row)}</span>{" "}
          {path ? (
            <span class="obj" title={visible(row.object ?? "")}>
              {visibleLine(path.name)}
              {path.folder && <span class="dir"> {visibleLine(path.folder)}</span>}
            </span>
          ) : (
            <span class={`obj ${row.verb === "Run" || row.verb === "Search" ? "mono" : ""}`} title={visible(row.object ?? "").slice(0, 500)}>
              {visibleLine((row.object ?? "").slice(0, 400))}
            </span>
          )}
          {row.added !== undefined ? (
            <span class="res">
              <Stat added={row.added} removed={row.removed ?? 0} />
            </span>
          ) : (
            result && <span class={`res ${failed ? "err" : ""}`}>{visibleLine(result)}</span>
          )}
          {running ? <Since started={clock(row.time)} /> : row.took && <time>{row.took}</time>}
        </>
      }
    >
      <StepBody row={row} store={store} />
    </Disclosure>
  );
}

/** Whether the call itself says more than its line. */
function hasInput(row: Row): boolean {
  const command = row.action?.command;
  return row.verb === "Run" && typeof command === "string" && (command.includes("\n") || command.length > 40);
}

function StepBody({ row, store }: { row: Row; store: Store }) {
  const [whole, setWhole] = useState<string>();
  const [all, setAll] = useState(false);
  const command = row.verb === "Run" && typeof row.action?.command === "string" ? row.action.command : undefined;
  const diff = row.display?.diff;
  if (row.status === "rejected") {
    return (
      <>
        {command && <Output text={`$ ${command}`} />}
        {row.reason && <p class="note-line">Your reason: {visibleProse(row.reason)}</p>}
      </>
    );
  }
  if (diff && row.status !== "failed") return <StepDiff row={row} store={store} all={all} showAll={() => setAll(true)} />;

  const text = terminalText(whole ?? row.live ?? row.result ?? "").replace(/\s+$/, "");
  const lines = text === "" ? [] : linesOf(text);
  const shown = all ? lines : lines.slice(-outputLines);
  const more = lines.length - shown.length;
  const showAll = async () => {
    if (row.blob && whole === undefined) {
      const text = await store.try(store.blob(row.blob));
      if (text !== undefined) setWhole(text);
    }
    setAll(true);
  };
  const facts = [
    // An error's first line is its summary already.
    !text.startsWith(row.summary ?? "\0") && row.summary,
    lines.length > 0 && (more > 0 ? `last ${shown.length} of ${plural(lines.length, "line")}` : plural(lines.length, "line")),
  ];
  return (
    <>
      <Images urls={row.images} />
      <div class="term">
        <pre tabIndex={0}>
          {command && (
            <>
              <span class="cmd">$ </span>
              <span class="typed-cmd">{visible(command)}</span>
              {"\n"}
            </>
          )}
          {shown.join("\n")}
          {row.status === "running" && <span class="caret" />}
        </pre>
        <footer>
          <span class="meta">
            {facts
              .filter(Boolean)
              .map((fact) => visibleLine(String(fact)))
              .join(" · ")}
          </span>
          {(more > 0 || (row.blob && whole === undefined)) && <Link onClick={() => void showAll()}>Show all</Link>}
          {lines.length > 0 && row.status !== "running" && <Link onClick={() => store.copy(whole ?? row.result ?? "")}>Copy</Link>}
          {row.verb === "Run" && store.conversation && (
            <Link onClick={() => void store.host.ask("openTerminal", { id: store.conversation!.id })}>Open in terminal</Link>
          )}
        </footer>
      </div>
    </>
  );
}

function Output({ text }: { text: string }) {
  return (
    <div class="term">
      <pre tabIndex={0}>{visible(text)}</pre>
    </div>
  );
}

/** What an edit changed, with keep and undo for the hunks that still are what it made. */
function StepDiff({ row, store, all, showAll }: { row: Row; store: Store; all: boolean; showAll: () => void }) {
  const c = store.conversation;
  const diff = row.display!.diff!;
  const file = c?.changes?.files.find((f) => decodeURIComponent(f.uri.replace(/^file:\/\//, "")) === diff.path);
  return (
    <div class="card" role="group" aria-label={`Edit of ${visibleLine(row.object ?? "")}`}>
      {c && (
        <header>
          <Icon name="edit" />
          <span class="grow clip">
            <PathName path={row.object ?? diff.path} />
          </span>
          <Link onClick={() => void store.try(store.host.ask("openFile", { uri: diff.path, id: c.id }))}>Open file</Link>
          {file && <Link onClick={() => void store.try(store.host.ask("openDiff", { id: c.id, uri: file.uri }))}>Open diff</Link>}
        </header>
      )}
      <DiffView
        diff={diff}
        all={all}
        showAll={showAll}
        acts={
          file &&
          ((hunk) => {
            const ids = file.hunks.filter((h) => hunk.changes.some((text) => sameChange(text, h.text))).map((h) => h.id);
            if (ids.length === 0) return null;
            return (
              <>
                <Link label={`Keep this change of ${visibleLine(row.object ?? "")}`} onClick={() => void store.decide("keep", file.uri, ids)}>
                  Keep
                </Link>
                <Link label={`Undo this change of ${visibleLine(row.object ?? "")}`} onClick={() => void store.decide("undo", file.uri, ids)}>
                  Undo
                </Link>
              </>
            );
          })
        }
      />
    </div>
  );
}

export function GroupRow({ group }: { group: GroupItem }) {
  const { steps, parts, failed } = summary(group.rows);
  return (
    <Disclosure
      id={group.id}
      open={group.open}
      class="group"
      summary={
        <>
          <Icon name="chevron-right" class="tw" />
          <span class="verb">{steps}</span> <span class="obj muted clip">{parts}</span>
          {failed && <span class="res err">{failed}</span>}
        </>
      }
    />
  );
}

export function NoteRow({ row }: { row: Row }) {
  const store = useStore();
  const open = store.isOpen(row.id, false);
  return (
    <div class="sep-row">
      <div class="sep">
        <span>{visibleLine(row.text ?? "")}</span>
        {row.result && (
          <Link onClick={() => store.setOpen(row.id, !open)} label={open ? "Hide the summary" : "View the summary"}>
            {open ? "Hide" : "View"}
          </Link>
        )}
      </div>
      {open && row.result && <TextRow row={{ ...row, id: `${row.id}:summary`, text: row.result }} />}
    </div>
  );
}

const ends: Record<string, [icon: string, colour: string]> = {
  finished: ["pass", "ok"],
  paused: ["debug-pause", "muted"],
  interrupted: ["debug-stop", "muted"],
  rejected: ["circle-slash", "muted"],
  max_iterations: ["clockface", "warn"],
  budget: ["clockface", "warn"],
  stuck: ["warning", "warn"],
  error: ["error", "err"],
};

/** How a run ended: what happened, the facts, and for the last run what can be done now. */
export function EndRow({ row, last }: { row: Row; last: boolean }) {
  const store = useStore();
  const [icon, colour] = ends[row.reason ?? ""] ?? ["info", "muted"];
  return (
    <div class="end">
      <Icon name={icon} class={colour} />
      <h3>{visibleLine(row.text ?? "")}</h3>
      {row.details && row.details.length > 0 && row.reason !== "finished" && (
        <div class="details">
          {row.details.slice(0, 12).map((line, i) => (
            <p key={i}>{visible(line)}</p>
          ))}
        </div>
      )}
      {row.facts && row.facts.length > 0 && <span class="meta">{row.facts.join(" · ")}</span>}
      {last && !store.conversation?.readOnly && <EndActions row={row} store={store} />}
    </div>
  );
}

function EndActions({ row, store }: { row: Row; store: Store }) {
  const info = store.conversation?.info;
  if (!info || waits(info)) return null;
  const resume = () => void store.run();
  const write = () => {
    store.focusWanted++;
    store.changed();
  };
  const log = (
    <Button small onClick={() => void store.host.ask("showLog", {})}>
      Show log
    </Button>
  );
  let acts: ComponentChildren;
  switch (row.reason) {
    case "paused":
    case "interrupted":
      acts = (
        <Button small primary onClick={resume}>
          Continue
        </Button>
      );
      break;
    case "rejected":
      acts = (
        <Button small primary onClick={write}>
          Tell it what to do instead
        </Button>
      );
      break;
    case "max_iterations":
      acts = (
        <>
          <Button small primary onClick={resume}>
            Continue for {info.maxIterationPerRun} more
          </Button>
          <Button small onClick={() => void store.host.ask("openSettings", { query: "maxIteration" })}>
            Change the limit
          </Button>
        </>
      );
      break;
    case "budget": {
      const budget = info.maxBudgetPerRun ?? 0;
      const next = Math.max(1, Math.ceil(Math.max(budget, figures.usage(info).cost) * 2));
      acts = (
        <>
          <Button small primary onClick={() => void store.raiseBudget(next)}>
            Raise to {figures.cost(next)} and continue
          </Button>
          <Button small onClick={() => void store.host.ask("openSettings", { query: "maxBudget" })}>
            Change the limit
          </Button>
        </>
      );
      break;
    }
    case "stuck":
      acts = (
        <>
          <Button small primary onClick={write}>
            Tell it what to try
          </Button>
          <Button small onClick={resume}>
            Continue anyway
          </Button>
        </>
      );
      break;
    case "error":
      acts =
        row.remedy === "settings" || /Auth/.test(row.code ?? "") ? (
          <>
            <Button small primary onClick={() => void store.setKey(info.model.split("/")[0])}>
              Set API key
            </Button>
            <Button small onClick={() => void store.pickModel()}>
              Choose another model
            </Button>
            <Button small onClick={resume}>
              Try again
            </Button>
            {log}
          </>
        ) : (
          <>
            <Button small primary onClick={resume}>
              Try again
            </Button>
            {row.code !== "ProcessEnded" && (
              <Button small onClick={() => void store.pickModel()}>
                Choose another model
              </Button>
            )}
            {log}
          </>
        );
      break;
    default:
      return null;
  }
  return <div class="acts">{acts}</div>;
}
