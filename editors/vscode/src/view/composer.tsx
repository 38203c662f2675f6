/** The composer: what will be sent along, the text, and Send, Queue or Steer. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { FoundFile, Share } from "../messages";
import { plural } from "../model/figures";
import { visibleLine } from "../model/visible";
import { path as pathOf } from "../model/words";
import { Icon, IconButton, useStore } from "./common";
import { completed, hits, type Token, tokenAt } from "./complete";
import { busy, waits } from "./conversation";
import { Menu } from "./menu";
import { shareKey } from "./store";

interface Option {
  key: string;
  word: string;
  label: string;
  dir?: string;
  right?: string;
  icon?: string;
  share?: Share;
}

const builtIns: Array<[word: string, what: string]> = [
  ["/new", "start a new conversation"],
  ["/condense", "shorten the history that the model reads"],
  ["/model", "choose another model"],
  ["/history", "all conversations"],
];

/** How many images and how large: the model's providers take no more. */
const maxImage = 5 << 20;

export function Composer() {
  const store = useStore();
  const { draft } = store;
  const field = useRef<HTMLTextAreaElement>(null);
  const [token, setToken] = useState<Token>();
  const [options, setOptions] = useState<Option[]>([]);
  const [on, setOn] = useState(0);
  const [menu, setMenu] = useState(false);
  const [over, setOver] = useState(false);
  const asked = useRef(0);

  const info = store.conversation?.info;
  const running = busy(info);
  const off = store.server.state !== "running" || store.conversation?.readOnly === true;
  const empty = draft.text.trim() === "" && draft.shares.length === 0;

  // The text grows with what is written; only CSSOM is touched, as the policy wants.
  useLayoutEffect(() => {
    const el = field.current;
    if (!el || CSS.supports("field-sizing", "content")) return;
    el.style.height = "auto";
    el.style.height = `${el.scrollHeight}px`;
  }, [draft.text]);

  useEffect(() => {
    if (store.focusWanted === store.focusDone) return;
    store.focusDone = store.focusWanted;
    field.current?.focus();
    const end = field.current?.value.length ?? 0;
    field.current?.setSelectionRange(end, end);
  });

  const look = (text: string, caret: number) => {
    const now = tokenAt(text, caret);
    setToken(now);
    setOn(0);
    if (!now) return setOptions([]);
    if (now.kind === "command") {
      const q = now.query.toLowerCase();
      const skills = store.skills.map((s): Option => ({ key: s.command, word: s.command, label: s.command, dir: s.description, right: s.origin }));
      const own = builtIns.map(([word, dir]): Option => ({ key: word, word, label: word, dir, right: "built in" }));
      const all = [...skills, ...own].filter((o) => o.word.slice(1).toLowerCase().includes(q));
      all.sort((a, b) => Number(b.word.slice(1).toLowerCase().startsWith(q)) - Number(a.word.slice(1).toLowerCase().startsWith(q)));
      return setOptions(all.slice(0, 12));
    }
    const seq = ++asked.current;
    const folder = info?.workspace ?? store.folder?.uri;
    store.host
      .ask("findFiles", { query: now.query, limit: 12, ...(folder && { folder }) })
      .then((files) => {
        if (seq === asked.current) setOptions(files.map(fileOption));
      })
      .catch(() => {
        if (seq === asked.current) setOptions([]);
      });
  };

  const close = () => {
    asked.current++;
    setToken(undefined);
    setOptions([]);
  };

  const choose = (option: Option) => {
    const el = field.current!;
    const at = el.selectionStart;
    const next = completed(draft.text, at, token!, option.word);
    store.setDraft({ ...draft, text: next.text });
    if (option.share) store.addShares([option.share]);
    close();
    // The caret goes behind what was completed, once the text is there.
    queueMicrotask(() => {
      el.value = next.text;
      el.focus();
      el.setSelectionRange(next.caret, next.caret);
    });
  };

  const send = (how: "queue" | "steer" | "stop") => {
    close();
    void store.send(how);
  };

  const open = token !== undefined && options.length > 0;
  const onKey = (e: KeyboardEvent) => {
    if (e.isComposing) return;
    if (open) {
      if (e.key === "ArrowDown" || e.key === "ArrowUp") {
        e.preventDefault();
        setOn((on + (e.key === "ArrowDown" ? 1 : options.length - 1)) % options.length);
        return;
      }
      if ((e.key === "Enter" && !e.shiftKey && !e.ctrlKey && !e.metaKey) || e.key === "Tab") {
        e.preventDefault();
        const option = options[on]!;
        // A command that is there whole is sent by Enter.
        if (e.key === "Enter" && token.kind === "command" && draft.text.trim() === option.word) return send("queue");
        choose(option);
        return;
      }
      if (e.key === "Escape") {
        e.preventDefault();
        e.stopPropagation();
        close();
        return;
      }
    }
    if (e.key === "Escape" && running && !menu) {
      e.preventDefault();
      void store.stop();
      return;
    }
    if (e.key !== "Enter" || e.shiftKey || e.altKey) return;
    const mod = e.ctrlKey || e.metaKey;
    if (store.settings.sendWith === "ctrlEnter") {
      if (!mod) return;
      e.preventDefault();
      return send("queue");
    }
    e.preventDefault();
    send(mod && running ? "steer" : "queue");
  };

  const addFiles = (files: Iterable<File>) => {
    for (const file of files) {
      if (!file.type.startsWith("image/")) continue;
      if (file.size > maxImage) {
        store.fail(new Error(`${file.name || "The image"} is larger than 5 MB`));
        continue;
      }
      const reader = new FileReader();
      reader.onload = () => store.addShares([{ type: "image", url: String(reader.result), name: file.name }]);
      reader.readAsDataURL(file);
    }
  };

  const onPaste = (e: ClipboardEvent) => {
    const images = [...(e.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (images.length === 0) return;
    e.preventDefault();
    addFiles(images);
  };

  const onDrop = (e: DragEvent) => {
    setOver(false);
    const data = e.dataTransfer;
    if (!data) return;
    e.preventDefault();
    const uris = (data.getData("application/vnd.code.uri-list") || data.getData("text/uri-list"))
      .split(/\r?\n/)
      .filter((uri) => uri.startsWith("file:"));
    if (uris.length === 0) return addFiles(data.files);
    for (const uri of uris) {
      store.host
        .ask("readDropped", { uri })
        .then((share) => share && store.addShares([share]))
        .catch((e) => store.fail(e));
    }
  };

  const placeholder = off
    ? store.conversation?.readOnly
      ? "Another window holds this conversation"
      : "The server is not running"
    : waits(info)
      ? "Queue a message"
      : running
        ? "Queue a message for when this run ends"
        : (info?.cursor.seq ?? 0) > 0
          ? "Ask for a follow-up"
          : "Ask, or describe a change";
  const key = store.settings.sendWith === "enter" ? "Enter" : "Ctrl+Enter";
  const hint = running
    ? `${key} queues${store.settings.sendWith === "enter" ? " · Ctrl+Enter steers" : ""}`
    : empty
      ? "@ files · / commands"
      : `${key} sends`;
  const { offered, problems } = store;
  return (
    <form
      class={`composer ${over ? "over" : ""}`}
      onSubmit={(e) => {
        e.preventDefault();
        send("queue");
      }}
      onDragOver={(e) => {
        e.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={onDrop}
    >
      {open && (
        <div class="pop" role="listbox" id="completions" aria-label={token.kind === "file" ? "Files" : "Commands"}>
          {options.map((option, i) => (
            <div
              key={option.key}
              id={`completion-${i}`}
              class={`opt ${i === on ? "on" : ""}`}
              role="option"
              tabIndex={-1}
              aria-selected={i === on}
              title={option.dir}
              onPointerDown={(e) => {
                e.preventDefault();
                choose(option);
              }}
            >
              {option.icon && <Icon name={option.icon} />}
              <span class="label">
                {hits(visibleLine(option.label), token.query).map((part, n) =>
                  part.hit ? (
                    <span key={n} class="hit">
                      {part.text}
                    </span>
                  ) : (
                    part.text
                  ),
                )}
              </span>
              {option.dir && <span class="dir clip">{visibleLine(option.dir)}</span>}
              {option.right && <span class="r">{visibleLine(option.right)}</span>}
            </div>
          ))}
        </div>
      )}
      {menu && (
        <Menu
          label="How to send"
          close={() => setMenu(false)}
          items={[
            { icon: "clockface", label: "Queue", hint: "when this run ends", run: () => send("queue") },
            {
              icon: "arrow-up",
              label: "Steer",
              hint: waits(info) ? "rejects what waits, with this as the reason" : "at the next step",
              run: () => send("steer"),
            },
            { icon: "debug-stop", label: "Stop and send", hint: "now", run: () => send("stop") },
          ]}
        />
      )}
      <div class="box">
        {(offered.length > 0 || draft.shares.length > 0 || problems) && (
          <div class="chips" aria-label="Sent along">
            {offered.map((share) => (
              <ShareChip key={shareKey(share)} share={share} current remove={() => store.dismiss(share)} />
            ))}
            {draft.shares.map((share) => (
              <ShareChip key={shareKey(share)} share={share} remove={() => store.removeShare(share)} />
            ))}
            {problems && problems.type === "diagnostics" && (
              <button type="button" class="chip offer" title="Send these problems along" onClick={() => store.addShares([problems])}>
                <Icon name="add" />
                {plural(problems.items.length, "problem")}
              </button>
            )}
          </div>
        )}
        <textarea
          ref={field}
          rows={1}
          aria-label="Message"
          placeholder={placeholder}
          disabled={off}
          value={draft.text}
          aria-autocomplete="list"
          aria-controls={open ? "completions" : undefined}
          aria-activedescendant={open ? `completion-${on}` : undefined}
          onInput={(e) => {
            store.setDraft({ ...store.draft, text: e.currentTarget.value });
            look(e.currentTarget.value, e.currentTarget.selectionStart);
          }}
          onKeyDown={onKey}
          onPaste={onPaste}
          onFocus={() => store.status(true)}
          onBlur={() => {
            store.status(false);
            close();
          }}
        />
        <div class="bar">
          <IconButton
            icon="mention"
            label="Add a file"
            disabled={off}
            onClick={() => {
              const el = field.current!;
              const text = draft.text && !/\s$/.test(draft.text) ? `${draft.text} @` : `${draft.text}@`;
              store.setDraft({ ...draft, text });
              el.value = text;
              el.focus();
              look(text, text.length);
            }}
          />
          <IconButton
            icon="file-media"
            label="Attach an image"
            disabled={off}
            onClick={() => {
              store.host
                .ask("pickImages", {})
                .then((images) => store.addShares(images.map((image) => ({ type: "image", ...image }))))
                .catch((e) => store.fail(e));
            }}
          />
          <span class="grow meta clip">{hint}</span>
          {running ? (
            <span class="split">
              <button type="submit" class="btn primary small" disabled={off || empty || store.sending} title={`Send when this run ends (${key})`}>
                <Icon name="clockface" />
                Queue
              </button>
              <button
                type="button"
                class="btn primary small"
                aria-label="Queue, steer, or stop and send"
                aria-haspopup="menu"
                disabled={off || empty}
                onClick={() => setMenu(!menu)}
              >
                <Icon name="chevron-down" />
              </button>
            </span>
          ) : (
            <button type="submit" class="btn primary small" disabled={off || empty || store.sending} title={`Send (${key})`}>
              <Icon name="arrow-up" />
              Send
            </button>
          )}
        </div>
      </div>
    </form>
  );
}

function fileOption(file: FoundFile): Option {
  const at = file.path.lastIndexOf("/");
  const name = file.path.slice(at + 1);
  return {
    key: file.uri,
    word: `@${file.path}`,
    label: name,
    dir: at > 0 ? file.path.slice(0, at) : "",
    icon: "file",
    share: { type: "file", uri: file.uri },
  };
}

/** What will be sent along, with a button that takes it away. */
function ShareChip({ share, current, remove }: { share: Share; current?: boolean; remove: () => void }) {
  let icon = "file";
  let name: string;
  let more = "";
  if (share.type === "image") {
    icon = "file-media";
    name = share.name || "image";
  } else {
    const path = pathOf(share.uri);
    name = path.slice(path.lastIndexOf("/") + 1);
    if (share.type === "diagnostics") {
      icon = "warning";
      name = `${plural(share.items.length, "problem")} in ${name}`;
    } else if (share.range) {
      icon = "list-selection";
      const { start, end } = share.range;
      const last = end.character === 0 && end.line > start.line ? end.line : end.line + 1;
      more = start.line + 1 === last ? `${last}` : `${start.line + 1}–${last}`;
    } else if (current) more = "current";
  }
  const label = visibleLine(`${name} ${more}`.trim());
  return (
    <span class={`chip ${share.type === "diagnostics" ? "warn" : ""}`} title={share.type === "image" ? label : visibleLine(pathOf(share.uri))}>
      {share.type === "image" && /^data:image\//.test(share.url) ? <img class="thumb" src={share.url} alt="" /> : <Icon name={icon} />}
      <span class="clip">{visibleLine(name)}</span>
      {more && <span class="n">{more}</span>}
      <button type="button" class="x" title={`Don't send ${label}`} aria-label={`Don't send ${label}`} onClick={remove}>
        <Icon name="close" />
      </button>
    </span>
  );
}
