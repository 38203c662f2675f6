/**
 * The approval: the one framed thing. It shows all that would happen, takes no focus, is dead for its first 500 ms, and nothing but its
 * own buttons decides.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { diff } from "../model/diff";
import { exactText, pieces, question, riskClass, riskWord } from "../model/risk";
import { visible, visibleLine } from "../model/visible";
import * as words from "../model/words";
import type { Pending, PendingAction } from "../protocol";
import { Button, Icon, IconButton, Link, PathName, Stat, useStore } from "./common";
import { DiffView } from "./diffview";
import { armAfter } from "./store";

const icons: Record<string, string> = { execute: "terminal", edit: "edit", delete: "trash", read: "file", search: "search", fetch: "link-external" };

/**
 * Whether what waits may be decided: it has been seen for half a second. Hidden and shown again, it begins anew. The store holds the
 * same clock, so that no other way is faster.
 */
export function useArmed(requestId: string): boolean {
  const store = useStore();
  const [armed, setArmed] = useState(false);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const begin = () => {
      clearTimeout(timer);
      store.armedAt.delete(requestId);
      setArmed(false);
      if (document.visibilityState === "hidden") return;
      store.armedAt.set(requestId, Date.now());
      timer = setTimeout(() => setArmed(true), armAfter);
    };
    begin();
    document.addEventListener("visibilitychange", begin);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", begin);
      store.armedAt.delete(requestId);
    };
  }, [requestId]);
  return armed;
}

export function Approval({ pending }: { pending: Pending }) {
  const store = useStore();
  const armed = useArmed(pending.requestId);
  const [page, setPage] = useState(0);
  const [rejecting, setRejecting] = useState(false);
  const [reason, setReason] = useState("");
  const [remember, setRemember] = useState(false);
  const [scope, setScope] = useState<"conversation" | "workspace">("conversation");
  const [all, setAll] = useState(false);
  const [deciding, setDeciding] = useState(false);
  const box = useRef<HTMLElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);

  const { actions } = pending;
  const n = actions.length;
  const action = actions[Math.min(page, n - 1)]!;
  const high = actions.some((a) => a.risk === "HIGH");
  const canRemember = pending.options.some((option) => option.id === "remember");
  const info = store.conversation?.info;
  const readOnly = store.conversation?.readOnly;

  // Brought up by a command of the editor: the block is focused as a whole, no button of it.
  useEffect(() => {
    if (!store.takesFocus(pending.requestId)) return;
    box.current?.focus();
    box.current?.scrollIntoView({ block: "nearest" });
  });
  useEffect(() => {
    if (rejecting) field.current?.focus();
  }, [rejecting]);

  const decide = (decision: "approve" | "reject") => {
    if (!armed || deciding || !store.armed(pending.requestId)) return;
    setDeciding(true);
    const more = decision === "reject" ? { reason: reason.trim() } : remember && canRemember ? { remember: scope } : {};
    void store.confirm(pending, decision, more).finally(() => setDeciding(false));
  };

  // Keys count only when the block itself has the focus: not while something is typed, not with a button in reach.
  const onKey = (e: KeyboardEvent) => {
    if (e.target !== e.currentTarget || e.ctrlKey || e.altKey || e.metaKey || e.repeat) {
      if (e.key === "Escape" && rejecting) {
        e.stopPropagation();
        setRejecting(false);
      }
      return;
    }
    const act: Record<string, () => void> = {
      y: () => decide("approve"),
      n: () => decide("reject"),
      r: () => armed && setRejecting(true),
      ArrowLeft: () => setPage(Math.max(page - 1, 0)),
      ArrowRight: () => setPage(Math.min(page + 1, n - 1)),
    };
    const run = act[e.key];
    if (!run) return;
    e.preventDefault();
    run();
  };

  const title = `Approval${n > 1 ? ` ${page + 1} of ${n}` : ""}: ${question(action).replace("?", "")}, ${riskWord(action.risk).toLowerCase()}`;
  const off = !armed || deciding || readOnly;
  return (
    <section class={`ask ${riskClass(action.risk)} ${armed ? "" : "arming"}`} tabIndex={-1} ref={box} aria-label={title} onKeyDown={onKey}>
      <header>
        <Icon name={icons[action.kind] ?? "tools"} />
        <b class="grow">{question(action)}</b>
        <span class={`badge ${riskClass(action.risk)}`}>
          {action.risk === "HIGH" && <Icon name="warning" />}
          {riskWord(action.risk)}
        </span>
        {n > 1 && (
          <span class="pager">
            <IconButton icon="chevron-left" label="Previous action" disabled={page === 0} onClick={() => setPage(page - 1)} />
            <span class="meta">
              {page + 1} of {n}
            </span>
            <IconButton icon="chevron-right" label="Next action" disabled={page >= n - 1} onClick={() => setPage(page + 1)} />
          </span>
        )}
      </header>
      <What action={action} pending={pending} all={all} showAll={() => setAll(true)} />
      <dl class="facts">
        {info && (
          <>
            <dt>In</dt>
            <dd class="mono">{visibleLine(words.path(info.workspace))}</dd>
          </>
        )}
        {why(action, pending, info?.confirmationPolicy) && (
          <>
            <dt>Why</dt>
            <dd>{visibleLine(why(action, pending, info?.confirmationPolicy))}</dd>
          </>
        )}
      </dl>
      {n > 1 && !rejecting && (
        <div class="others">
          {actions.map((other, i) => (
            <button key={other.actionId} type="button" class={`next ${i === page ? "on" : ""}`} aria-current={i === page} onClick={() => setPage(i)}>
              <span class="meta">{i + 1}</span>
              <span class="clip grow">{visibleLine(other.title)}</span>
              <span class={`badge ${riskClass(other.risk)}`}>{riskWord(other.risk)}</span>
            </button>
          ))}
        </div>
      )}
      {rejecting ? (
        <div class="why-box">
          <textarea
            ref={field}
            class="field"
            rows={2}
            aria-label="Reason"
            placeholder="Why not? What should it do instead? (optional)"
            value={reason}
            onInput={(e) => setReason(e.currentTarget.value)}
          />
          <div class="acts">
            <Button primary disabled={off} onClick={() => decide("reject")}>
              {reason.trim() === "" ? (n > 1 ? `Reject all ${n} and stop` : "Reject and stop") : "Reject and tell the agent"}
            </Button>
            <Button onClick={() => setRejecting(false)}>Back</Button>
          </div>
        </div>
      ) : (
        <div class="acts">
          <Button primary={!high} disabled={off} onClick={() => decide("approve")}>
            {n > 1 ? `Approve all ${n}` : "Approve"}
          </Button>
          <Button disabled={off} onClick={() => setRejecting(true)}>
            {n > 1 ? `Reject all ${n}…` : "Reject…"}
          </Button>
          {canRemember && (
            <label class="check" title={n > 1 ? "These exact actions only" : "This text only, in this folder only"}>
              <input type="checkbox" checked={remember} onChange={(e) => setRemember(e.currentTarget.checked)} />
              {n > 1 ? `Remember these exact ${n}` : action.kind === "execute" ? "Remember this exact command" : "Remember this exact action"}
            </label>
          )}
          {canRemember && remember && (
            <select
              class="field small"
              aria-label="Where it is remembered"
              value={scope}
              onChange={(e) => setScope(e.currentTarget.value as "conversation" | "workspace")}
            >
              <option value="conversation">in this conversation</option>
              <option value="workspace">in this folder</option>
            </select>
          )}
        </div>
      )}
      <div class="keys" aria-hidden="true">
        <span>Review, then</span>
        <span>
          <kbd>y</kbd> approve
        </span>
        <span>
          <kbd>n</kbd> reject
        </span>
        <span>
          <kbd>r</kbd> reason
        </span>
        {n > 1 && (
          <span>
            <kbd>←</kbd> <kbd>→</kbd> others
          </span>
        )}
      </div>
      {readOnly && <p class="note-line">Another window holds this conversation: decide there.</p>}
    </section>
  );
}

function why(action: PendingAction, pending: Pending, policy: unknown): string {
  return words.why(action, pending, policy as words.Policy);
}

/** What an action would do: the whole command, the whole diff, or all arguments. */
function What({ action, pending, all, showAll }: { action: PendingAction; pending: Pending; all: boolean; showAll: () => void }) {
  const store = useStore();
  const info = store.conversation?.info;
  if (action.diff) {
    const { added, removed } = diff(action.diff.oldText, action.diff.newText, 0);
    const path = words.relative(words.path(info?.workspace ?? "").replace(/\/$/, ""), action.diff.path);
    return (
      <>
        <div class="next">
          <span class="clip main">
            <PathName path={path} />
          </span>
          <Stat added={added} removed={removed} />
          <span class="grow" />
          <Link
            onClick={() => void store.try(store.host.ask("openProposed", { id: info!.id, requestId: pending.requestId, actionId: action.actionId }))}
          >
            Open diff
          </Link>
        </div>
        <DiffView diff={action.diff} all={all} showAll={showAll} />
      </>
    );
  }
  const text = exactText(action);
  const marked = pieces(text, action.parts);
  const top = marked.find((piece) => piece.risk)?.risk;
  return (
    <>
      {action.kind !== "execute" && <div class="next main clip">{visibleLine(action.title)}</div>}
      <div class="exact">
        <span class="grow" tabIndex={0} role="group" aria-label="Exact text">
          {marked.map((piece, i) => (piece.risk ? <mark key={i}>{visible(piece.text)}</mark> : <span key={i}>{visible(piece.text)}</span>))}
        </span>
        <IconButton icon="copy" label={action.kind === "execute" ? "Copy the command" : "Copy"} onClick={() => store.copy(text)} />
      </div>
      {action.parts && action.parts.length > 0 && (action.parts.length > 1 || action.parts[0]!.reason) && (
        <ol class="parts" aria-label="The command in its parts">
          {action.parts.map((part, i) => (
            <li key={i} class={`part ${riskClass(part.risk)}`}>
              <span class="no">{i + 1}</span>
              <span>
                <code>{part.risk === top ? <mark>{visible(part.text)}</mark> : visible(part.text)}</code>{" "}
                {part.reason && <span class="why">{visibleLine(part.reason)}</span>}
              </span>
              <span class="lvl">{riskWord(part.risk).replace(" risk", "")}</span>
            </li>
          ))}
        </ol>
      )}
    </>
  );
}
