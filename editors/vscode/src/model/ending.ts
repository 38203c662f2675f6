/** How a run ended, in words. */
import type { Classification, Info } from "../protocol";
import * as figures from "./figures";
import type { PlanItem, Row } from "./row";
import * as words from "./words";

/** Failure is what is read of a ConversationErrorEvent. */
export interface Failure {
  code?: string;
  detail?: string;
  classification?: Partial<Classification>;
}

/** Turn is what a user's message began. */
export interface Turn {
  /** Time stamps of its first and its last event, in milliseconds. */
  start?: number;
  last?: number;
  /** Answers of the model. */
  steps: number;
  /** The newest answer. */
  response?: string;
  over?: boolean;
  /** Whether its last word was the agent's message or `finish`. */
  final?: boolean;
  /** Whether it ended with a rejection without a reason. */
  rejected?: boolean;
  failure?: Failure;
  plan?: PlanItem[];
  planRow?: Row;
}

const fromStatus: Record<string, string> = { finished: "finished", error: "error", stuck: "stuck", paused: "paused" };

/** The reason why a conversation does not go on, as its state tells. Nothing while it does, or where there is nothing to tell. */
export function reason(info: Info): string | undefined {
  if (fromStatus[info.status]) return info.stopReason ?? fromStatus[info.status];
  if (info.status === "idle" && info.stopReason === "rejected") return "rejected";
  return undefined;
}

/** The reason that an error event stands for. */
export function reasonOf(code: string | undefined): string {
  if (code === "MaxIterationsReached") return "max_iterations";
  return code === "MaxBudgetReached" ? "budget" : "error";
}

const texts: Record<string, string> = {
  finished: "Finished",
  paused: "Paused",
  interrupted: "Stopped by you",
  rejected: "Rejected by you",
  max_iterations: "Step limit reached",
  budget: "Budget reached",
};

/**
 * Fills in the text, the facts and the details of an ending. Without a state, which is for the last run alone, it says what the events
 * tell.
 */
export function tell(row: Row, turn: Turn, info?: Info): void {
  const why = row.reason!;
  const facts: string[] = [];
  let details: string[] = [];
  const elapsed = figures.elapsed((turn.last ?? 0) - (turn.start ?? turn.last ?? 0));
  const usage = info && figures.usage(info);
  const cost = () => {
    if (usage) facts.push(figures.spent(usage));
  };

  row.text = texts[why];
  row.code = turn.failure?.code ?? info?.error?.code;
  const act = turn.failure?.classification?.user_action ?? info?.error?.classification?.user_action;
  row.remedy = act === "retry" || act === "settings" ? act : "none";
  switch (why) {
    case "finished":
      facts.push(figures.plural(turn.steps, "step"), elapsed);
      cost();
      if (usage && usage.tokens > 0) facts.push(`${figures.count(usage.tokens)} tokens`);
      break;
    case "stuck": {
      const said = words.firstLine(info?.error?.message ?? "").replace(/\.$/, "");
      row.text = `Stuck: ${said || "it repeats itself without getting on"}`;
      facts.push(`step ${turn.steps}`);
      cost();
      break;
    }
    case "max_iterations": {
      if (info) facts.push(`${info.maxIterationPerRun} of ${info.maxIterationPerRun}`);
      facts.push(elapsed);
      cost();
      const plan = turn.plan ?? [];
      const open = plan.filter((item) => item.status !== "done").length;
      if (open > 0) {
        details.push(`${open} of ${figures.plural(plan.length, "plan item")} ${plan.length === 1 ? "is" : "are"} open`);
      }
      break;
    }
    case "budget":
      if (usage) facts.push(`${figures.spent(usage)} of ${figures.cost(info?.maxBudgetPerRun ?? 0)}`);
      facts.push(`step ${turn.steps}`, elapsed);
      break;
    case "error": {
      const failure = turn.failure;
      const [what, detail] = failure
        ? words.explain(failure.code, failure.detail, failure.classification)
        : words.explain(info?.error?.code, info?.error?.message, info?.error?.classification);
      row.text = what;
      if (detail !== "") details = words.lines(detail);
      break;
    }
    default:
      row.text ??= `Ended: ${why}`;
      facts.push(`step ${turn.steps}`, elapsed);
      cost();
  }
  const changes = info?.changes;
  if (changes && changes.files > 0) {
    details.push(`${figures.plural(changes.files, "file")} changed, +${changes.additions} -${changes.deletions}`);
  }
  row.facts = facts;
  row.details = details;
  row.rev++;
}
