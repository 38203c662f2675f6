/** The dock: queued messages, the run bar, what went wrong, and the composer. */
import * as figures from "../model/figures";
import { spoken } from "../model/list";
import { visibleLine } from "../model/visible";
import { Button, Icon, IconButton, Link, useNow, useStore } from "./common";
import { Composer } from "./composer";
import { busy, waits } from "./conversation";

export function Dock({ clock }: { clock: (at: number | undefined) => number | undefined }) {
  const store = useStore();
  const c = store.conversation;
  const info = c?.info;
  const running = info?.status === "running" || info?.status === "pausing";
  const queued = c?.fold?.tail().filter((row) => row.kind === "queued") ?? [];
  return (
    <footer class="dock">
      <div class={`track ${running && store.server.state === "running" ? "on" : ""}`} />
      {queued.map((row) => (
        <div key={row.id} class="queued">
          <Icon name="clockface" class="muted" />
          <span class="clip grow" title={visibleLine((row.text ?? "").slice(0, 500))}>
            {visibleLine((row.text || row.context?.join(", ")) ?? "")}
          </span>
          <span class="meta">Queued</span>
          {running && (
            <Link title="Hand over at the next step" onClick={() => void store.unsend(row.message!, "steer")}>
              Steer now
            </Link>
          )}
          <IconButton icon="close" label="Take back and edit" onClick={() => void store.unsend(row.message!, "edit")} />
        </div>
      ))}
      {busy(info) && <RunBar clock={clock} />}
      {store.notice && (
        <div class="notice" role="alert">
          <Icon name="warning" class="warn" />
          <span class="grow">{visibleLine(store.notice.text)}</span>
          {store.notice.actions.map((action) => (
            <Link key={action.label} onClick={action.run}>
              {action.label}
            </Link>
          ))}
          <IconButton
            icon="close"
            label="Dismiss"
            onClick={() => {
              store.notice = undefined;
              store.changed();
            }}
          />
        </div>
      )}
      <Composer />
    </footer>
  );
}

function RunBar({ clock }: { clock: (at: number | undefined) => number | undefined }) {
  const store = useStore();
  const c = store.conversation!;
  const info = c.info!;
  const waiting = waits(info);
  const stopping = store.stopping === c.id;
  const now = useNow(!waiting);
  const start = clock(c.fold!.times.start);
  const time = start !== undefined && now > start ? figures.elapsed(now - start) : "";
  const open = c.fold!.open.filter((row) => !row.hidden && row.status === "running");
  const last = open[0];
  const what = last ? `${spoken(last)} ${last.object ?? ""}` : "Thinking";
  const pending = info.pending.find((p) => p.kind !== "input");
  const n = pending?.actions.length ?? 0;
  const step = `Step ${Math.max(c.fold!.steps, 1)}${time && ` · ${time}`}`;
  const review = () => store.review(pending?.requestId ?? info.pending[0]?.requestId);
  return (
    <div class="runbar">
      {waiting ? (
        <>
          <span class="dot waiting" />
          <span class="main" role="status">
            {stopping ? "Stopping…" : "Waiting for you"}
          </span>
          <span class="grow clip muted sm">
            <span class="wide">{step}</span>
          </span>
          <Button small onClick={review}>
            {pending ? (n > 1 ? `Review ${n}` : "Review") : "Answer"}
          </Button>
        </>
      ) : (
        <>
          <span class="meta">{step}</span>
          <span class="grow clip muted sm" role="status">
            {stopping ? "Stopping…" : info.status === "pausing" ? "Pausing after this step…" : visibleLine(what)}
          </span>
          {info.status === "pausing" || stopping ? null : (
            <IconButton icon="debug-pause" label="Pause at the next step" onClick={() => void store.pause()} />
          )}
        </>
      )}
      <Button small icon="debug-stop" title="Stop now (Escape in the message)" disabled={stopping} onClick={() => void store.stop()}>
        {stopping ? "Stopping" : "Stop"}
      </Button>
    </div>
  );
}
