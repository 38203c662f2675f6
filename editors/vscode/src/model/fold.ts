/**
 * The fold: what the server sends of a conversation, in; rows of a transcript, out. The rows are a function of the events, the newest
 * state and what is being written, and of nothing else, so that a reload, a second window and a test see the same.
 * testdata/README.md defines them. Pure: no editor is needed here.
 */
import type { Content, DeltaNotification, Display, EventNotification, Info, Thinking } from "../protocol";
import * as ending from "./ending";
import * as figures from "./figures";
import type { Ask, PlanItem, Row } from "./row";
import * as words from "./words";

/** OpenHands' events, as far as they are read here. All fields may be missing: a log may come from another program. */
interface Event {
  kind?: string;
  id: string;
  timestamp?: string;
  source?: string;
  parent_id?: string | null;
  llm_message?: { content?: Content[]; reasoning_content?: string | null; thinking_blocks?: Thinking[] };
  activated_skills?: string[];
  thought?: Content[];
  reasoning_content?: string | null;
  thinking_blocks?: Thinking[];
  action?: { kind?: string; thought?: string; message?: string; [field: string]: unknown } | null;
  tool_name?: string;
  tool_call_id?: string;
  action_id?: string;
  llm_response_id?: string;
  observation?: { kind?: string; content?: Content[]; is_error?: boolean; task_list?: PlanItem[] };
  error?: string;
  rejection_reason?: string;
  code?: string;
  detail?: string;
  classification?: ending.Failure["classification"];
  summary?: string | null;
  forgotten_event_ids?: string[];
  success?: boolean;
  blocked?: boolean;
  hook_event_type?: string;
  hook_command?: string;
  exit_code?: number;
  reason?: string;
  stderr?: string;
}

/** Step is a row with what the fold remembers of a call. */
interface Step extends Row {
  started?: number;
  response?: string;
}

/** End is a row with the turn that it ended. */
interface End extends Row {
  turn?: ending.Turn;
}

/** Stream is a message or a call's text that is being written. */
interface Stream {
  id: string;
  text?: string;
  reasoning?: string;
  /** Where the next piece of each stream begins, in bytes. */
  at: Record<string, number>;
}

/** Calls that show something else than a step: an answer, a thought, a plan. */
const quiet = new Set(["FinishAction", "ThinkAction", "TaskTrackerAction"]);

const goesOn = new Set(["running", "pausing", "waiting_for_confirmation", "waiting_for_input"]);

const defaultRejection = "User rejected the action";

/** Events that hold nothing that a person would want to read. */
const ignored = new Set(
  "SystemPromptEvent CondensationSummaryEvent ConversationStateUpdateEvent StreamingDeltaEvent TokenEvent LLMCompletionLogEvent".split(" "),
);

/** How much of what a running step prints is kept: the view shows its end, the result has it all. */
const liveLimit = 64 * 1024;

const encoder = new TextEncoder();

function joined(content: Content[] | undefined): string {
  return (content ?? [])
    .filter((item) => item.type === "text" && item.text)
    .map((item) => item.text)
    .join("\n");
}

function imagesOf(content: Content[] | undefined): string[] | undefined {
  const urls = (content ?? []).flatMap((item) => (item.type === "image" ? (item.image_urls ?? []) : []));
  return urls.length > 0 ? urls : undefined;
}

type Blobs = Array<{ blob: string; size: number }>;

/** Puts the head and the tail of a string that was too long to be sent in its place, and notes the blob. Nothing is changed in place. */
function whole(value: unknown, blobs: Blobs): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    let out: unknown[] | undefined;
    value.forEach((item, i) => {
      const now = whole(item, blobs);
      if (now === item) return;
      out ??= value.slice();
      out[i] = now;
    });
    return out ?? value;
  }
  const b = value as { blob?: unknown; size?: unknown; head?: unknown; tail?: unknown };
  if (typeof b.blob === "string" && typeof b.size === "number" && typeof b.head === "string" && typeof b.tail === "string") {
    blobs.push({ blob: b.blob, size: b.size });
    const left = Math.max(b.size - encoder.encode(b.head).length - encoder.encode(b.tail).length, 0);
    return `${b.head}\n[${left} bytes are not shown]\n${b.tail}`;
  }
  let out: Record<string, unknown> | undefined;
  for (const [key, item] of Object.entries(value)) {
    const now = whole(item, blobs);
    if (now === item) continue;
    out ??= { ...(value as Record<string, unknown>) };
    out[key] = now;
  }
  return out ?? value;
}

/** The word for what was sent along, by the header that the server puts before it. */
function contextOf(text: string, workspace: string): string | undefined {
  const m = /^\[([a-z]+)\] ([^\n]+)/i.exec(text);
  if (m?.[1] === "diagnostics") return `problems in ${words.relative(workspace, m[2]!)}`;
  return m?.[1] === "file" || m?.[1] === "selection" ? words.relative(workspace, m[2]!) : undefined;
}

/** Splits what a user sent into the text and what was sent along. */
export function splitMessage(content: Content[] | undefined, workspace: string): { text: string; context: string[] } {
  const texts: string[] = [];
  const context: string[] = [];
  (content ?? []).forEach((item, i) => {
    const along = i > 0 && item.type === "text" ? contextOf(item.text ?? "", workspace) : undefined;
    if (along !== undefined) context.push(along);
    else if (item.type === "text") texts.push(item.text ?? "");
    else context.push(figures.plural(item.image_urls?.length ?? 0, "image"));
  });
  return { text: words.trim(texts.join("\n")), context };
}

export class Fold {
  /** The newest state. */
  info: Info;
  /** The workspace's absolute path. */
  workspace = "";
  /** The lasting rows, those of events. */
  rows: Row[] = [];
  /** The newest event that was taken. */
  seq = 0;
  /** Grows when anything changed. */
  rev = 0;

  /** Steps without a result, by tool_call_id. */
  private calls = new Map<string, Step>();
  /** All of them, by the action's id. */
  private actions = new Map<string, Step>();
  private streams = new Map<string, Stream>();
  /** Answers of the model that the policy asked about. */
  private asked = new Set<string>();
  private turn: ending.Turn = { steps: 0 };
  /** The ending that was told with the state. */
  private told: End | undefined;

  constructor(info: Info) {
    this.info = info;
    this.state(info);
  }

  /** Forgets all events, for a replay; `from` is the seq before the first one that comes. What is being written stays. */
  reset(from = 0): void {
    this.rows = [];
    this.calls.clear();
    this.actions.clear();
    this.asked.clear();
    this.seq = from;
    this.turn = { steps: 0 };
    this.told = undefined;
    this.rev++;
  }

  /** Takes the next event. One that was seen before is passed over. */
  event(params: Pick<EventNotification, "seq" | "event" | "display">): void {
    if (params.seq <= this.seq) return;
    this.seq = params.seq;
    this.rev++;
    const blobs: Blobs = [];
    const e = whole(params.event, blobs) as Event;
    const at = figures.stamp(e.timestamp);
    const before = this.rows.length;
    this.take(e, params.display, at);
    for (let i = before; i < this.rows.length; i++) {
      const row = this.rows[i]!;
      row.seq ??= params.seq;
      row.time ??= at;
    }
    const call = e.kind === "ObservationEvent" ? this.actions.get(e.action_id ?? "") : undefined;
    if (call && blobs[0]) call.blob = blobs[0];
    this.turn.last = at ?? this.turn.last;
    this.settle();
  }

  private take(e: Event, display: Display | undefined, at: number | undefined): void {
    switch (e.kind) {
      case "MessageEvent":
        return this.message(e, at);
      case "ActionEvent":
        return this.action(e, display, at);
      case "ObservationEvent":
        return this.observation(e, display, at);
      case "AgentErrorEvent": {
        const row = this.answered(e, display);
        row.took = this.took(row, at);
        row.result = e.error ?? "";
        return fail(row, e.error ?? "");
      }
      case "UserRejectObservation": {
        const row = this.answered(e, display);
        row.status = "rejected";
        row.hidden = undefined;
        if (e.rejection_reason !== defaultRejection) row.reason = e.rejection_reason;
        this.turn.rejected = !row.reason;
        return;
      }
      case "ConversationErrorEvent":
        this.begin(at);
        this.turn.failure = e;
        this.turn.last = at ?? this.turn.last;
        return this.finish(e.id, ending.reasonOf(e.code));
      case "PauseEvent":
        return this.finish(e.id, "paused");
      case "InterruptEvent":
        return this.finish(e.id, "interrupted");
      case "Condensation": {
        const n = figures.plural(e.forgotten_event_ids?.length ?? 0, "event");
        this.append({
          id: e.id,
          kind: "note",
          text: `History condensed: ${n} ${e.summary ? "→ summary" : "forgotten"}`,
          result: e.summary ?? undefined,
        });
        return;
      }
      case "CondensationRequest":
        this.append({ id: e.id, kind: "note", text: "Condensing the history" });
        return;
      case "HookExecutionEvent":
        return this.hook(e);
      default:
        if (!ignored.has(e.kind ?? "") && display?.title) this.append({ id: e.id, kind: "note", text: display.title });
    }
  }

  private append(row: Omit<Row, "rev">): Row {
    const made: Row = { ...row, rev: 0 };
    this.rows.push(made);
    return made;
  }

  /** Begins a turn where the one before has come to an end. */
  private begin(at: number | undefined): void {
    if (this.turn.over || this.turn.start === undefined) {
      this.turn = { steps: 0, start: at, last: at, plan: this.turn.plan };
    }
  }

  /** Appends the ending of a turn. */
  private finish(id: string, reason: string): void {
    const row: End = this.append({ id: `end:${id}`, kind: "end", reason });
    row.turn = this.turn;
    this.turn.over = true;
    ending.tell(row, this.turn);
  }

  /** Counts the answers of the model: several actions may be from one. */
  private count(e: Event): void {
    this.begin(figures.stamp(e.timestamp));
    const response = e.llm_response_id ?? e.id;
    if (response !== this.turn.response) {
      this.turn.response = response;
      this.turn.steps++;
    }
    this.turn.final = undefined;
    this.turn.rejected = undefined;
  }

  private message(e: Event, at: number | undefined): void {
    const content = e.llm_message?.content;
    if (e.source === "agent") {
      this.count(e);
      this.streams.delete(e.id);
      this.think(e, e.llm_message?.reasoning_content, e.llm_message?.thinking_blocks, at);
      this.say(e.id, joined(content));
      this.turn.final = true;
    } else if (e.source === "user") {
      if (this.turn.final) this.finish(e.id, "finished");
      else if (this.turn.rejected) this.finish(e.id, "rejected");
      this.begin(at);
      this.turn.planRow = undefined;
      const { text, context } = splitMessage(content, this.workspace);
      this.append({
        id: e.id,
        kind: "user",
        text,
        context,
        skills: e.activated_skills,
        images: imagesOf(content),
        parent: e.parent_id ?? undefined,
      });
    } else {
      const text = words.firstLine(joined(content));
      if (text !== "") this.append({ id: e.id, kind: "note", text: `To the agent: ${text}` });
    }
  }

  private think(e: Event, reasoning: string | null | undefined, blocks: Thinking[] | undefined, at: number | undefined): void {
    let text = words.trim(reasoning ?? "");
    if (text === "") {
      text = (blocks ?? [])
        .map((block) => words.trim(block.thinking ?? ""))
        .filter((thinking) => thinking !== "")
        .join("\n");
    }
    if (text === "") return;
    const took = at !== undefined && this.turn.last !== undefined ? figures.took(at - this.turn.last) : undefined;
    this.append({ id: `think:${e.id}`, kind: "thinking", text, took });
  }

  private say(id: string, said: string): void {
    const text = words.trim(said);
    if (text !== "") this.append({ id: `text:${id}`, kind: "text", text });
  }

  private action(e: Event, display: Display | undefined, at: number | undefined): void {
    this.count(e);
    this.streams.delete(e.id);
    this.think(e, e.reasoning_content, e.thinking_blocks, at);
    this.say(e.id, joined(e.thought));
    const action = e.action ?? {};
    const thought = action.kind === "ThinkAction" ? words.trim(action.thought ?? "") : "";
    if (thought !== "") this.append({ id: `thought:${e.id}`, kind: "thinking", text: thought });
    const response = e.llm_response_id ?? e.id;
    if (words.asks(this.info.confirmationPolicy as words.Policy, display?.risk)) this.asked.add(response);
    const [verb, object] = words.subject(display, e.tool_name ?? "", this.workspace);
    const row: Step = this.append({
      id: e.id,
      kind: "step",
      verb,
      object,
      hidden: quiet.has(action.kind ?? "") || undefined,
      status: "running",
      risk: display?.risk,
      action,
      display,
      tool: e.tool_name,
    });
    row.started = at;
    row.response = response;
    this.calls.set(e.tool_call_id ?? e.id, row);
    this.actions.set(e.id, row);
  }

  /** Gives the step of a call that has its answer now. */
  private answered(e: Event, display: Display | undefined): Step {
    let row = this.calls.get(e.tool_call_id ?? "");
    if (row) this.calls.delete(e.tool_call_id ?? "");
    else {
      const [verb, object] = words.subject(display, e.tool_name ?? "", this.workspace);
      row = this.append({ id: e.id, kind: "step", verb, object, tool: e.tool_name });
    }
    row.display = display ?? row.display;
    row.ask = undefined;
    row.live = undefined;
    row.rev++;
    return row;
  }

  /**
   * How long a call ran: from its action or the event before its result. What the user was asked about waited too, so nothing is said
   * of it.
   */
  private took(row: Step, at: number | undefined): string | undefined {
    if (at === undefined || row.started === undefined || this.asked.has(row.response ?? "")) return undefined;
    return figures.took(at - Math.max(row.started, this.turn.last ?? 0));
  }

  private observation(e: Event, display: Display | undefined, at: number | undefined): void {
    const row = this.answered(e, display);
    const o = e.observation ?? {};
    const text = joined(o.content);
    const failed = o.is_error || display?.status === "failed";
    row.took = this.took(row, at);
    row.result = text;
    row.images = imagesOf(o.content);
    if (!failed) {
      row.status = "done";
      if (o.kind === "FinishObservation") {
        this.turn.final = true;
        return this.say(e.id, (row.action?.message as string | undefined) ?? text);
      }
      if (o.task_list) return this.planned(e.id, o.task_list);
    }
    const summary = words.trim(display?.summary ?? "");
    const m = failed ? null : /^\+(\d+) -(\d+)$/.exec(summary);
    if (m) {
      row.added = Number(m[1]);
      row.removed = Number(m[2]);
    } else if (summary !== "") row.summary = summary;
    if (failed) fail(row, text);
  }

  private planned(id: string, list: PlanItem[]): void {
    const items = list.map(({ title, status }) => ({ title, status }));
    this.turn.plan = items;
    const row = this.turn.planRow;
    if (row) {
      row.items = items;
      row.rev++;
    } else if (items.length > 0) this.turn.planRow = this.append({ id: `plan:${id}`, kind: "plan", items });
  }

  private hook(e: Event): void {
    if (e.success && !e.blocked) return;
    let summary = `exit ${e.exit_code}`;
    if (e.error) summary = words.firstLine(e.error);
    if (e.blocked) summary = e.reason ? `blocked: ${words.firstLine(e.reason)}` : "blocked";
    const object = `${e.hook_event_type ?? ""} ${e.hook_command ?? ""}`;
    const row = this.append({ id: e.id, kind: "step", verb: "Hook", object, summary });
    row.result = e.stderr;
    fail(row, e.stderr ?? "");
  }

  /** Takes the whole state, the newest each time. */
  state(info: Info): void {
    this.info = info;
    this.rev++;
    this.workspace = words.path(info.workspace ?? "").replace(/\/$/, "");
    if (ending.reason(info)) this.streams.clear();
    this.settle();
  }

  /** Takes a piece of what is being written. */
  delta(params: DeltaNotification): void {
    const { messageId, toolCallId } = params.target;
    this.rev++;
    if (messageId) {
      if (params.stream !== "text" && params.stream !== "reasoning") return;
      let stream = this.streams.get(messageId);
      if (!stream) {
        stream = { id: messageId, at: {} };
        this.streams.set(messageId, stream);
      }
      // A jump is what was lost, to a slow reader or before this view was there.
      const lost = params.offset > (stream.at[params.stream] ?? 0) ? "… " : "";
      stream[params.stream] = (stream[params.stream] ?? "") + lost + params.text;
      stream.at[params.stream] = params.offset + encoder.encode(params.text).length;
      return;
    }
    const row = this.calls.get(toolCallId ?? "");
    if (row && params.stream === "stdout") {
      const live = (row.live ?? "") + params.text;
      row.live = live.length > 2 * liveLimit ? live.slice(-liveLimit) : live;
      row.rev++;
    }
  }

  /** Brings what depends on the state up to date: the steps that are open, and the ending of the last run. */
  private settle(): void {
    const { info } = this;
    const asks = new Map<string, Ask>();
    if (this.calls.size > 0) {
      for (const pending of info.pending ?? []) {
        if (pending.kind === "input") continue;
        pending.actions.forEach((action, i) => {
          const why = words.why(action, pending, info.confirmationPolicy as words.Policy);
          asks.set(action.actionId, { request: pending.requestId, n: i + 1, of: pending.actions.length, why, action, pending });
        });
      }
    }
    for (const row of this.calls.values()) {
      const ask = asks.get(row.id);
      const status = ask ? "waiting" : goesOn.has(info.status) ? "running" : "open";
      const hidden = (quiet.has((row.action?.kind as string) ?? "") && !ask) || undefined;
      if (status !== row.status || ask?.request !== row.ask?.request || hidden !== row.hidden) {
        row.status = status;
        row.ask = ask;
        row.hidden = hidden;
        row.risk ??= ask?.action.risk;
        row.rev++;
      }
    }

    const last: End | undefined = this.rows[this.rows.length - 1];
    if (this.told && this.told !== last) {
      ending.tell(this.told, this.told.turn!);
      this.told = undefined;
    }
    if (last?.kind === "end" && ending.reason(info)) {
      this.told = last;
      ending.tell(last, last.turn!, info);
    }
  }

  /**
   * The rows behind the lasting ones: what is being written, asked and queued, and how the last run ended where no event says it.
   * They are made anew each time; `rev` is the fold's.
   */
  tail(): Row[] {
    const { info, rev } = this;
    const rows: Row[] = [];
    for (const stream of this.streams.values()) {
      const reasoning = words.trim(stream.reasoning ?? "");
      if (reasoning !== "") {
        rows.push({ id: `think:${stream.id}`, kind: "thinking", text: reasoning, streaming: stream.text === undefined, rev });
      }
      const text = words.trim(stream.text ?? "");
      if (text !== "") rows.push({ id: `text:${stream.id}`, kind: "text", text, streaming: true, rev });
    }
    for (const pending of info.pending ?? []) {
      if (pending.kind === "input") {
        rows.push({ id: `ask:${pending.requestId}`, kind: "question", text: pending.message ?? "", pending, rev: 0 });
      }
    }
    for (const queued of info.queued ?? []) {
      const { text, context } = splitMessage(queued.message?.content, this.workspace);
      rows.push({ id: `queued:${queued.messageId}`, kind: "queued", text, context, message: queued.messageId, rev: 0 });
    }
    const last = this.rows[this.rows.length - 1];
    const reason = ending.reason(info);
    if (last && reason && last.kind !== "end" && (last.kind !== "user" || reason !== "finished")) {
      const row: Row = { id: "end", kind: "end", reason, rev };
      ending.tell(row, this.turn, info);
      rows.push(row);
    }
    return rows;
  }

  /** The model's answers in this turn. */
  get steps(): number {
    return this.turn.steps;
  }

  /** When this turn began and when its last event was, in milliseconds. */
  get times(): { start?: number; last?: number } {
    return { start: this.turn.start, last: this.turn.last };
  }

  /** The newest plan. */
  get plan(): PlanItem[] {
    return this.turn.plan ?? [];
  }

  /** Calls without a result, the oldest first. */
  get open(): Row[] {
    return [...this.calls.values()];
  }
}

/** A failed step: its summary, else the first line, and the end of what it printed. */
function fail(row: Row, text: string): void {
  let all = words.lines(text);
  if (all.length === 1 && words.trim(all[0]!) === "") all = [];
  row.status = "failed";
  row.hidden = undefined;
  if (!row.summary && all.length > 0) row.summary = words.trim(all.shift()!);
  if (all.length === 1 && all[0] === row.summary) all = [];
  row.output = all.slice(-10);
}
