/** The page of a first run, and that of a conversation that has not begun. */
import type { ComponentChildren } from "preact";
import { plural } from "../model/figures";
import { visibleLine } from "../model/visible";
import { path as pathOf } from "../model/words";
import { Button, Icon, Link, useStore } from "./common";
import { busy } from "./conversation";
import { Dot, folderName, modelName } from "./header";
import { titleOf } from "./store";

/** Whether something is missing without which no conversation can begin. */
export function unready(store: ReturnType<typeof useStore>): boolean {
  const { setup, server } = store;
  if (server.state === "missing" || server.state === "mismatch") return true;
  // What only a server knows is not missed before there is one.
  if (server.state !== "running") return !!setup && (!setup.folder || !setup.trusted);
  return !!setup && (!setup.model || !setup.key || !setup.folder || !setup.trusted);
}

export function Welcome() {
  const store = useStore();
  const { server, setup } = store;
  const found = server.state === "running" || server.state === "starting";
  const model = !!setup?.model && setup.key;
  const steps: Array<{ done: boolean; title: string; body: ComponentChildren; acts?: ComponentChildren }> = [
    {
      done: found,
      title: found ? "Server found" : server.state === "mismatch" ? "The server is of another version" : "The server was not found",
      body: found ? `agent-rpc ${server.version ?? ""}`.trim() : [server.message, server.remedy].filter(Boolean).join(" "),
      acts: !found && (
        <>
          <Button primary onClick={() => void store.host.ask("openSettings", { query: "server" })}>
            Set its path
          </Button>
          <Button onClick={() => void store.host.ask("restartServer", {})}>Try again</Button>
          <Button onClick={() => void store.host.ask("showLog", {})}>Show log</Button>
        </>
      ),
    },
    {
      done: model,
      title: model ? "Model chosen" : setup?.model ? "Give it a key" : "Choose a model",
      body: model
        ? modelName(setup.model)
        : setup?.model
          ? `${modelName(setup.model)} needs a key. It goes to the editor's secret store, never to settings.`
          : "The key goes to the editor's secret store, never to settings.",
      acts: !model && (
        <>
          {setup?.model ? (
            <Button primary onClick={() => void store.setKey(setup.model.split("/")[0])}>
              Set API key
            </Button>
          ) : (
            <Button primary onClick={() => void store.pickModel()}>
              Choose a model
            </Button>
          )}
          {setup?.model && <Button onClick={() => void store.pickModel()}>Choose another</Button>}
        </>
      ),
    },
    {
      done: setup?.folder === true && setup.trusted,
      title: !setup?.folder ? "Open a folder" : setup.trusted ? "Folder open" : "Trust this folder",
      body: !setup?.folder
        ? "The agent works in one folder at a time."
        : setup.trusted
          ? store.folders.map((f) => visibleLine(f.name)).join(", ")
          : "Nothing is run in a folder that you do not trust.",
      acts: !setup?.folder ? (
        <Button primary onClick={() => void store.host.ask("openFolder", {})}>
          Open a folder
        </Button>
      ) : (
        !setup.trusted && (
          <Button primary onClick={() => void store.host.ask("manageTrust", {})}>
            Manage trust
          </Button>
        )
      ),
    },
  ];
  const now = steps.findIndex((step) => !step.done);
  return (
    <main class="hero">
      <div>
        <h1>Set up Agent RPC</h1>
        <p>Three things, once. Nothing leaves this machine but what you send to the model.</p>
      </div>
      <ol class="setup">
        {steps.map((step, i) => (
          <li key={i} class={step.done || i === now ? "" : "todo"}>
            {step.done ? <Icon name="pass" class="ok" /> : <span class={`num ${i === now ? "now" : ""}`}>{i + 1}</span>}
            <div>
              <h2>
                {step.done && <span class="vh">Done: </span>}
                {step.title}
              </h2>
              <p>{step.body}</p>
              {i === now && step.acts && <div class="acts">{step.acts}</div>}
            </div>
          </li>
        ))}
      </ol>
      <p class="meta">
        {found && setup?.folder && setup.trusted && (
          <>
            No key at hand? <Link onClick={() => void store.try(store.host.ask("tryDemo", {}))}>Try the scripted demo</Link> ·{" "}
          </>
        )}
        <Link onClick={() => void store.host.ask("openWalkthrough", {})}>Walkthrough</Link>
      </p>
    </main>
  );
}

/** The page of a conversation that has not begun: where it works, and what could be next. */
export function Empty() {
  const store = useStore();
  const c = store.conversation;
  const folder = c?.info ? folderName(c.info.workspace, store.folders) : store.folder?.name;
  const { problems } = store.context;
  const recent = (store.list ?? []).filter((info) => info.id !== c?.id && info.cursor.seq > 0).slice(0, 3);
  const file = problems ? pathOf(problems.uri) : "";
  return (
    <main class="hero empty">
      <div>
        <h1>What should change{folder && ` in ${visibleLine(folder)}`}?</h1>
        <p>The agent works in this folder. Each change can be looked at, kept or undone.</p>
      </div>
      {(recent.length > 0 || (problems && problems.items.length > 0)) && (
        <div>
          <div class="meta">From here</div>
          <div class="sugg">
            {problems && problems.items.length > 0 && (
              <button
                type="button"
                onClick={() => {
                  store.setDraft({
                    text: problems.items.length === 1 ? "Fix this problem" : "Fix these problems",
                    shares: [{ type: "diagnostics", ...problems }],
                  });
                  store.focusWanted++;
                }}
              >
                <Icon name="warning" class="warn" />
                <span>
                  Fix {plural(problems.items.length, "problem")} in {visibleLine(file.slice(file.lastIndexOf("/") + 1))}
                  <small>{visibleLine(problems.items[0]!.message)}</small>
                </span>
              </button>
            )}
            {!c &&
              recent.map((info) => (
                <button key={info.id} type="button" onClick={() => store.show(info.id)}>
                  {busy(info) ? <Dot status={info.status} /> : <Icon name="history" />}
                  <span>
                    {visibleLine(titleOf(info))}
                    <small>
                      {visibleLine(folderName(info.workspace, store.folders))} · {info.status.replace(/_/g, " ")}
                    </small>
                  </span>
                </button>
              ))}
          </div>
        </div>
      )}
    </main>
  );
}
