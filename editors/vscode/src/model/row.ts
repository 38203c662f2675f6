import type { Display, Pending, PendingAction } from "../protocol";

/** PlanItem is a task of the agent's list: `status` is todo, in_progress or done. */
export interface PlanItem {
  title: string;
  status: string;
}

/** Ask is how a step waits for an approval: the `n`th of `of` in one request. */
export interface Ask {
  request: string;
  n: number;
  of: number;
  why: string;
  action: PendingAction;
  pending: Pending;
}

export type StepStatus = "running" | "waiting" | "open" | "done" | "failed" | "rejected";

/**
 * Row is what a reader sees as one thing. The fields before `id` are those of testdata/README.md, which both editors share; the others
 * are for showing it.
 */
export interface Row {
  kind: "user" | "note" | "thinking" | "text" | "step" | "plan" | "question" | "queued" | "end";
  text?: string;
  /** It is still being written. */
  streaming?: boolean;
  verb?: string;
  object?: string;
  status?: StepStatus;
  summary?: string;
  added?: number;
  removed?: number;
  took?: string;
  risk?: string;
  reason?: string;
  ask?: Ask;
  /** The end of what a failed step printed. */
  output?: string[];
  /** What the user sent along, a word for each thing. */
  context?: string[];
  skills?: string[];
  items?: PlanItem[];
  facts?: string[];
  details?: string[];

  /** Stays the same for as long as the row is there. */
  id: string;
  /** Grows with each change of the row, so that a view knows what to paint anew. */
  rev: number;
  /** Nothing of it is shown. */
  hidden?: boolean;
  /** Of the event that made it; absent for what no event tells. */
  seq?: number;
  /** Milliseconds since 1970, of that event. */
  time?: number;
  tool?: string;
  action?: Record<string, unknown>;
  /** The newest Display of a step. */
  display?: Display;
  /** All that a step gave to the model. */
  result?: string;
  /** What it has printed so far. */
  live?: string;
  /** Where the whole of a result is that was too long to be sent. */
  blob?: { blob: string; size: number };
  /** Data: URLs of images of a message or a result. */
  images?: string[];
  /** The id of the event before a message of the user. */
  parent?: string;
  /** Of a queued message. */
  message?: string;
  /** Of a question. */
  pending?: Pending;
  /** Of an ending: what can be done about it. */
  remedy?: "retry" | "settings" | "none";
  code?: string;
}
