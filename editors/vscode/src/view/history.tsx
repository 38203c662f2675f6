/** All conversations: search, badges for what runs or waits, rename, fork, export, delete. */
import { useRef, useState } from "preact/hooks";
import * as figures from "../model/figures";
import { visibleLine } from "../model/visible";
import type { Info } from "../protocol";
import { Icon, IconButton, Link, Spinner, Stat, useNow, useStore } from "./common";
import { hits } from "./complete";
import { busy, waits } from "./conversation";
import { Dot, folderName } from "./header";
import { Menu } from "./menu";
import { titleOf } from "./store";

/** Minutes, hours, then the day. */
function ago(stamp: string, now: number): string {
  const at = Date.parse(stamp);
  const minutes = Math.floor((now - at) / 60_000);
  if (Number.isNaN(minutes)) return "";
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return new Date(at).toLocaleDateString(undefined, minutes < 6 * 24 * 60 ? { weekday: "short" } : { day: "numeric", month: "short" });
}

function dayOf(info: Info, now: number): string {
  if (busy(info)) return "Active";
  const days = Math.floor((new Date(now).setHours(0, 0, 0, 0) - Date.parse(info.updatedAt)) / (24 * 3600_000)) + 1;
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  return days < 7 ? "This week" : "Earlier";
}

export function History() {
  const store = useStore();
  const now = useNow(true);
  const list = useRef<HTMLUListElement>(null);
  const all = store.list ?? [];
  // What is at work comes first, in the order of the rest.
  const items = [...all.filter(busy), ...all.filter((info) => !busy(info))];
  const onKey = (e: KeyboardEvent) => {
    if (e.key !== "ArrowDown" && e.key !== "ArrowUp") return;
    const buttons = [...(list.current?.querySelectorAll<HTMLElement>(".conv-open") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    e.preventDefault();
    buttons[Math.min(Math.max(at + (e.key === "ArrowDown" ? 1 : -1), 0), buttons.length - 1)]?.focus();
  };
  let day = "";
  return (
    <>
      <header class="hd">
        <IconButton icon="chevron-left" label={store.conversation ? "Back to the conversation" : "Back"} onClick={() => store.openChat()} />
        <b class="grow">History</b>
        <IconButton icon="add" label="New conversation" onClick={() => store.show(null)} />
      </header>
      <main class="hist" onKeyDown={onKey}>
        <label class="search">
          <Icon name="search" />
          <span class="vh">Search conversations</span>
          <input type="search" placeholder="Search titles and folders" value={store.listQuery} onInput={(e) => store.search(e.currentTarget.value)} />
        </label>
        <p class="vh" role="status">
          {store.list ? figures.plural(items.length, "conversation") : "Loading"}
        </p>
        <ul ref={list} aria-label="Conversations">
          {items.map((info) => {
            const at = dayOf(info, now);
            const head = at !== day;
            day = at;
            return <Entry key={info.id} info={info} now={now} day={head ? at : undefined} />;
          })}
        </ul>
        {store.list && items.length === 0 && (
          <p class="muted none">{store.listQuery ? `Nothing is called “${visibleLine(store.listQuery)}”.` : "No conversations yet."}</p>
        )}
        {store.listNext && (
          <p class="none">
            <Link onClick={() => void store.readList(true)}>Show more</Link>
          </p>
        )}
      </main>
    </>
  );
}

function Entry({ info, now, day }: { info: Info; now: number; day: string | undefined }) {
  const store = useStore();
  const [menu, setMenu] = useState(false);
  const title = titleOf(info);
  const on = store.conversation?.id === info.id;
  const pending = info.pending.find((p) => p.kind !== "input");
  const u = figures.usage(info);
  const facts = [folderName(info.workspace, store.folders), ago(info.updatedAt, now), u.cost > 0 || u.unpriced ? figures.spent(u) : ""];
  if (info.status === "error" || info.status === "stuck") facts.push(info.error?.message?.split("\n", 1)[0] ?? info.status);
  return (
    <>
      {day && (
        <li class="day" role="presentation">
          {day}
        </li>
      )}
      <li class={`conv ${on ? "on" : ""}`}>
        <Dot status={info.status} />
        <button type="button" class="conv-open" aria-current={on} onClick={() => store.show(info.id)}>
          <span class="t clip">
            {hits(visibleLine(title), store.listQuery).map((part, i) =>
              part.hit ? (
                <span key={i} class="hit">
                  {part.text}
                </span>
              ) : (
                part.text
              ),
            )}
          </span>
          <span class="m meta clip">{facts.filter(Boolean).map(visibleLine).join(" · ")}</span>
        </button>
        <span class="r">
          {pending && <span class="badge medium">{pending.actions.length} to approve</span>}
          {info.status === "waiting_for_input" && <span class="badge medium">Asks you</span>}
          {busy(info) && !waits(info) && (
            <span class="badge neutral">
              <Spinner />
              Running
            </span>
          )}
          {info.lockedBy && (
            <span class="badge neutral" title={`Held by the process ${info.lockedBy.pid}`}>
              <Icon name="lock" />
              Elsewhere
            </span>
          )}
          {!busy(info) && info.changes.files > 0 && <Stat added={info.changes.additions} removed={info.changes.deletions} />}
          <IconButton icon="ellipsis" label={`More for ${visibleLine(title)}`} onClick={() => setMenu(!menu)} />
        </span>
        {menu && (
          <Menu
            label={visibleLine(title)}
            class="at-end"
            close={() => setMenu(false)}
            items={[
              { icon: "edit", label: "Rename…", run: () => void store.rename(info.id, title) },
              { icon: "repo-forked", label: "Fork", run: () => void store.fork(info.id) },
              { icon: "export", label: "Export…", run: () => void store.host.ask("exportConversation", { id: info.id }) },
              { icon: "trash", label: "Delete…", run: () => void store.remove(info.id, title) },
            ]}
          />
        )}
      </li>
    </>
  );
}
