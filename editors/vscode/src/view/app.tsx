/** The view as a whole. */
import { useLayoutEffect, useMemo, useReducer } from "preact/hooks";
import * as figures from "../model/figures";
import { type Item, items } from "../model/list";
import { visibleLine } from "../model/visible";
import { Approval } from "./approval";
import { Changes } from "./changes";
import { Button, Icon, memo, StoreContext, useStore } from "./common";
import { busy } from "./conversation";
import { Dock } from "./dock";
import { Header, Plan } from "./header";
import { History } from "./history";
import { Question } from "./question";
import { EndRow, GroupRow, NoteRow, StepRow, TextRow, ThinkingRow, UserRow } from "./rows";
import type { Store } from "./store";
import { type ListItem, Transcript } from "./transcript";
import { Empty, unready, Welcome } from "./welcome";

type Clock = (at: number | undefined) => number | undefined;

export function App({ store }: { store: Store }) {
  const [, paint] = useReducer((n: number, _: undefined) => n + 1, 0);
  useLayoutEffect(() => {
    const stop = store.subscribe(() => paint(undefined));
    // What has changed since the first painting was told to nobody.
    paint(undefined);
    return stop;
  }, [store]);
  return (
    <StoreContext.Provider value={store}>
      <div class="arpc" data-place={store.init?.place ?? "sidebar"}>
        {store.init && <Page />}
        <div class="vh" role="status" aria-live="polite">
          {store.said}
        </div>
      </div>
    </StoreContext.Provider>
  );
}

function Page() {
  const store = useStore();
  if (store.page === "history") return <History />;
  if (!store.conversation) {
    const set = !unready(store);
    return (
      <>
        <Header />
        {set ? <Empty /> : <Welcome />}
        {set && <ServerBanner />}
        {set && <Dock clock={(at) => at} />}
      </>
    );
  }
  return <Chat />;
}

function Chat() {
  const store = useStore();
  const c = store.conversation!;
  const clock = useClock();
  if (c.failed) {
    return (
      <>
        <Header />
        <main class="log">
          <div class="end" role="alert">
            <Icon name="error" class="err" />
            <h3>The conversation could not be opened</h3>
            <p>{visibleLine(c.failed.message)}</p>
            <div class="acts">
              <Button small primary onClick={() => store.show(c.id, true)}>
                Try again
              </Button>
              <Button small onClick={() => store.openHistory()}>
                Other conversations
              </Button>
              <Button small onClick={() => void store.host.ask("showLog", {})}>
                Show log
              </Button>
            </div>
          </div>
        </main>
        <ServerBanner />
      </>
    );
  }
  const list = listOf(store);
  const begun = list.length > 0 || c.older;
  return (
    <>
      <Header />
      <Plan />
      {begun || !c.fold ? (
        <Transcript
          items={list}
          of={c.id}
          older={c.older}
          loadingOlder={c.loadingOlder}
          loadOlder={() => void c.loadOlder()}
          label="Transcript"
          review={store.reviewWanted}
          render={(item) => <Row item={item} store={store} clock={clock} />}
        />
      ) : (
        <Empty />
      )}
      {c.readOnly && <Locked />}
      <ServerBanner />
      <Dock clock={clock} />
    </>
  );
}

/**
 * Stamps of events have no zone: they are put on the clock of the state, whose stamps have one, by whole quarters of an hour.
 */
function useClock(): Clock {
  const c = useStore().conversation;
  const last = c?.fold?.times.last;
  const updated = c?.info ? Date.parse(c.info.updatedAt) : Number.NaN;
  const quarter = 900_000;
  const shift = last !== undefined && !Number.isNaN(updated) ? Math.round((updated - last) / quarter) * quarter : 0;
  return useMemo(() => (at) => (at === undefined ? undefined : at + shift), [shift]);
}

/** What stands in the transcript: rows, what waits, and the changes behind a run that is over. */
function listOf(store: Store): ListItem[] {
  const c = store.conversation!;
  const info = c.info;
  if (!info) return [];
  // What waits is shown by its own block, whole.
  const asks = new Set(info.pending.flatMap((p) => (p.kind === "input" ? p.actions.map((action) => action.actionId) : [])));
  const rows = c.rows().filter((row) => !(row.kind === "step" && (row.ask || asks.has(row.id))) && row.kind !== "question");
  const out: ListItem[] = items(rows, (id) => store.isOpen(id, false));
  for (const pending of info.pending) out.push({ type: "other", id: `pending:${pending.requestId}`, joined: false });
  if (c.changes && !busy(info)) out.push({ type: "other", id: "changes", joined: false });
  return out;
}

/** One row; steps and texts are painted anew only when they have changed. */
function Row({ item, store, clock }: { item: ListItem; store: Store; clock: Clock }) {
  if (item.type === "other") {
    if (item.id === "changes") return <Changes />;
    const pending = store.conversation!.info!.pending.find((p) => `pending:${p.requestId}` === item.id);
    if (!pending) return null;
    return pending.kind === "input" ? <Question key={item.id} pending={pending} /> : <Approval key={item.id} pending={pending} />;
  }
  if (item.type === "group") return <GroupRow group={item} />;
  const c = store.conversation!;
  const last =
    item.row.kind === "end" &&
    !busy(c.info) &&
    c
      .rows()
      .filter((row) => row.kind !== "queued")
      .at(-1)?.id === item.row.id;
  return (
    <KnownRow
      item={item}
      row={item.row}
      rev={item.row.rev}
      open={store.isOpen(item.row.id, false)}
      // What the user may do with it, and what it shares with others.
      around={item.row.kind === "step" ? c.changes : item.row.kind === "user" ? busy(c.info) : item.row.kind === "end" ? last : undefined}
      touched={store.touched(item.row.id)}
      clock={clock}
    />
  );
}

interface KnownProps {
  item: Extract<Item, { type: "row" }>;
  row: Extract<Item, { type: "row" }>["row"];
  rev: number;
  open: boolean;
  around: unknown;
  touched: unknown;
  clock: Clock;
}

const KnownRow = memo<KnownProps>(
  ({ row, around, clock }) => {
    switch (row.kind) {
      case "user":
        return <UserRow row={row} busy={around === true} />;
      case "thinking":
        return <ThinkingRow row={row} />;
      case "text":
        return <TextRow row={row} />;
      case "step":
        return <StepRow row={row} clock={clock} />;
      case "note":
        return <NoteRow row={row} />;
      case "end":
        return <EndRow row={row} last={around === true} />;
      default:
        return null;
    }
  },
  (a, b) => a.row === b.row && a.rev === b.rev && a.open === b.open && a.around === b.around && a.touched === b.touched && a.clock === b.clock,
);

/** Another process holds the conversation: it is read along, with a way out. */
function Locked() {
  const store = useStore();
  const c = store.conversation!;
  const by = c.info?.lockedBy;
  return (
    <div class="banner" role="status">
      <Icon name="lock" class="muted" />
      <span class="grow">
        Open in another program{by ? ` (process ${by.pid}${by.host ? ` on ${visibleLine(by.host)}` : ""})` : ""}. This is how it was when you opened
        it.
      </span>
      <Button small onClick={() => store.show(c.id, true)}>
        Try again
      </Button>
      <Button small onClick={() => void store.fork(c.id)}>
        Fork
      </Button>
    </div>
  );
}

/** The server is not there: what happened, and what can be done. What was shown stays. */
function ServerBanner() {
  const store = useStore();
  const { server } = store;
  if (server.state === "running") return null;
  if (server.state === "starting") {
    return (
      <div class="banner" role="status">
        <Icon name="loading" class="spin" />
        <span class="grow">Starting the server…</span>
      </div>
    );
  }
  const what =
    server.state === "stopped"
      ? "The server stopped"
      : server.state === "missing"
        ? "The server was not found"
        : server.state === "mismatch"
          ? "The server is of another version"
          : "The server could not be started";
  const seq = store.conversation?.fold?.seq;
  return (
    <div class="banner stopped" role="alert">
      <Icon name="plug" class="err" />
      <span class="grow">
        <b>{what}</b>
        <span class="sm">
          {" "}
          {visibleLine([server.message, server.remedy].filter(Boolean).join(" "))}
          {seq ? ` All ${figures.plural(seq, "event")} are on disk.` : ""}
        </span>
      </span>
      <Button small primary onClick={() => void store.host.ask("restartServer", {})}>
        Restart server
      </Button>
      <Button small onClick={() => void store.host.ask("showLog", {})}>
        Show log
      </Button>
    </div>
  );
}
