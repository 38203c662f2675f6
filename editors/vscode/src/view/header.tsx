/** The header: state, title and usage, then folder, model and policy. All of it is there at every width. */
import { useEffect, useState } from "preact/hooks";
import * as figures from "../model/figures";
import { visibleLine } from "../model/visible";
import * as words from "../model/words";
import type { Info } from "../protocol";
import { Icon, IconButton, useStore } from "./common";
import { Menu, type MenuItem } from "./menu";
import { titleOf } from "./store";

const dots: Record<string, [dot: string, word: string]> = {
  idle: ["idle", "Idle"],
  running: ["running", "Running"],
  pausing: ["running", "Pausing"],
  paused: ["idle", "Paused"],
  waiting_for_confirmation: ["waiting", "Waiting for approval"],
  waiting_for_input: ["waiting", "Waiting for an answer"],
  finished: ["done", "Finished"],
  error: ["failed", "Error"],
  stuck: ["failed", "Stuck"],
};

export function Dot({ status }: { status: string | undefined }) {
  const [dot, word] = dots[status ?? "idle"] ?? dots.idle!;
  return <span class={`dot ${dot}`} role="img" aria-label={word} title={word} />;
}

/** A model's name without its provider, and a script's without its folder. */
export function modelName(model: string): string {
  return model === "" ? "No model" : model.slice(model.lastIndexOf("/") + 1);
}

export function folderName(uri: string, folders: Array<{ uri: string; name: string }>): string {
  const path = words.path(uri).replace(/\/$/, "");
  return folders.find((f) => words.path(f.uri).replace(/\/$/, "") === path)?.name ?? path.slice(path.lastIndexOf("/") + 1);
}

export function Header() {
  const store = useStore();
  const [menu, setMenu] = useState(false);
  const c = store.conversation;
  const info = c?.info;
  const title = info ? titleOf(info) : c ? "Opening…" : "New conversation";
  const own = store.init?.place === "editor";
  const items: MenuItem[] = c
    ? [
        { icon: "edit", label: "Rename…", run: () => void store.rename(c.id, info ? titleOf(info) : "") },
        { icon: "history", label: "All conversations", run: () => store.openHistory() },
        { icon: "repo-forked", label: "Fork", run: () => void store.fork(c.id) },
        { icon: "output", label: "Open as plain transcript", run: () => void store.host.ask("openTranscript", { id: c.id }) },
        { icon: "export", label: "Export…", run: () => void store.host.ask("exportConversation", { id: c.id }) },
        {
          icon: "fold",
          label: "Condense the history",
          run: () => void store.try(store.host.request("conversation/condense", { id: c.id })),
          disabled: c.readOnly,
        },
        { icon: "trash", label: "Delete…", run: () => void store.remove(c.id, title) },
      ]
    : [{ icon: "history", label: "All conversations", run: () => store.openHistory() }];
  return (
    <header class="hd">
      <span class="hd-title">
        <Dot status={info?.status} />
        <button
          type="button"
          class="clip title"
          title={`${visibleLine(title)}: rename, switch and more`}
          aria-haspopup="menu"
          aria-expanded={menu}
          onClick={() => setMenu(!menu)}
        >
          {visibleLine(title)}
        </button>
      </span>
      {menu && <Menu label="Conversation" class="under" items={items} close={() => setMenu(false)} />}
      {info && <Usage info={info} />}
      <Picks info={info} />
      {own && (
        <span class="hd-actions">
          <IconButton icon="add" label="New conversation" onClick={() => store.show(null)} />
          <IconButton icon="history" label="History" onClick={() => store.openHistory()} />
        </span>
      )}
    </header>
  );
}

function Usage({ info }: { info: Info }) {
  const u = figures.usage(info);
  const cost = figures.spent(u);
  const percent = u.window > 0 ? Math.min(100, Math.round((u.context / u.window) * 100)) : 0;
  const context =
    u.window > 0 ? `${figures.count(u.context)} of ${figures.count(u.window)} tokens in context` : `${figures.count(u.context)} tokens in context`;
  return (
    <span class="hd-usage meta" title={`${cost} in this conversation · ${figures.count(u.tokens)} tokens in all · ${context}`}>
      {cost}
      <span class="wide">
        · {figures.count(u.context)}
        {u.window > 0 && ` of ${figures.count(u.window)}`}
      </span>
      <span class="narrow">· {figures.count(u.context)}</span>
      {u.window > 0 && (
        <progress class={`gauge ${percent >= 75 ? "full" : ""}`} value={percent} max={100} aria-label={`${percent} percent of the context used`} />
      )}
    </span>
  );
}

function Picks({ info }: { info: Info | undefined }) {
  const store = useStore();
  const folder = info
    ? folderName(info.workspace, store.folders)
    : (store.folder?.name ?? (store.folders.length > 0 ? "Choose a folder" : undefined));
  const model = info?.model ?? store.setup?.model ?? "";
  const policy = (info ? info.confirmationPolicy : store.setup?.policy) as words.Policy | undefined;
  const never = policy?.kind === "NeverConfirm";
  return (
    <div class="hd-picks">
      {folder &&
        (info || store.folders.length < 2 ? (
          <span class="pick still" title={`Works in ${visibleLine(info ? words.path(info.workspace) : folder)}`}>
            <Icon name="folder" />
            <span class="clip">{visibleLine(folder)}</span>
          </span>
        ) : (
          <button type="button" class="pick" title="The folder that the conversation will work in" onClick={() => void store.pickFolder()}>
            <Icon name="folder" />
            <span class="clip">{visibleLine(folder)}</span>
            <Icon name="chevron-down" />
          </button>
        ))}
      <button type="button" class="pick" title={`Model: ${visibleLine(model) || "none"}`} onClick={() => void store.pickModel()}>
        <Icon name="chip" />
        <span class="clip">{visibleLine(modelName(model))}</span>
      </button>
      <button
        type="button"
        class={`pick fix ${never ? "loud" : ""}`}
        title="When the agent asks before it acts"
        onClick={() => void store.pickPolicy()}
      >
        <Icon name="shield" />
        <span class="clip">{policy ? words.policyName(policy) : "Policy"}</span>
      </button>
    </div>
  );
}

/** The plan, under the header and outside of the scroll. It folds to its current item by itself, and stays as the user left it. */
export function Plan() {
  const store = useStore();
  const c = store.conversation;
  const plan = c?.fold?.plan ?? [];
  const key = `plan:${c?.id ?? ""}`;
  const text = JSON.stringify(plan);
  const [fresh, setFresh] = useState(true);
  useEffect(() => {
    setFresh(true);
    const timer = setTimeout(() => setFresh(false), 5000);
    return () => clearTimeout(timer);
  }, [key, text]);
  if (plan.length === 0) return null;
  const done = plan.filter((item) => item.status === "done").length;
  const current = plan.find((item) => item.status === "in_progress") ?? plan.find((item) => item.status !== "done");
  const open = store.isOpen(key, fresh && done < plan.length && c?.info?.status === "running");
  return (
    <section class="plan" aria-label="Plan">
      <button type="button" class="line" aria-expanded={open} onClick={() => store.setOpen(key, !open)}>
        <Icon name="checklist" />
        <b>Plan</b>
        <span class="clip muted grow">{open ? "" : visibleLine(current?.title ?? "all done")}</span>
        {plan.length <= 10 && (
          <span class="seg" aria-hidden="true">
            {plan.map((item, i) => (
              <b key={i} class={item.status === "done" ? "d" : item === current ? "n" : ""} />
            ))}
          </span>
        )}
        <span class="meta">
          {done} of {plan.length}
        </span>
      </button>
      {open && (
        <ol>
          {plan.map((item, i) => {
            const state = item.status === "done" ? "done" : item === current ? "now" : "open";
            return (
              <li key={i} class={state === "done" ? "d" : ""}>
                <Icon name={state === "done" ? "check" : state === "now" ? "circle-filled" : "circle"} class={state === "now" ? "live" : "muted"} />
                <span class={state === "open" ? "muted" : ""}>
                  <span class="vh">{state === "done" ? "Done: " : state === "now" ? "Now: " : "Open: "}</span>
                  {visibleLine(item.title)}
                </span>
              </li>
            );
          })}
        </ol>
      )}
    </section>
  );
}
