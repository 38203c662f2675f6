/** Times, amounts and counts, as every face of agent-rpc writes them. */
import type { Info } from "../protocol";

/**
 * Reads a time stamp of an event or a state, in milliseconds since 1970. One without a zone is taken as UTC: only differences between
 * stamps of one kind matter.
 */
export function stamp(text: unknown): number | undefined {
  const m = /^(\d+-\d+-\d+T\d+:\d+:\d+)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)?$/.exec(typeof text === "string" ? text : "");
  if (!m) return undefined;
  const zone = m[3] ?? "Z";
  const at = Date.parse(m[1] + (zone === "Z" || zone.includes(":") ? zone : zone.slice(0, 3) + ":" + zone.slice(3)));
  return Number.isNaN(at) ? undefined : at + Number(((m[2] ?? "") + "000").slice(0, 3));
}

/** 12s, 4m12s, 1h04m. */
export function elapsed(ms: number): string {
  const s = Math.floor(Math.max(ms, 0) / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  return `${Math.floor(s / 3600)}h${two(Math.floor((s % 3600) / 60))}m`;
}

/** How long a step took: 2.1s, then as elapsed. Under a second it is noise. */
export function took(ms: number): string | undefined {
  if (ms < 1000) return undefined;
  if (ms < 10000) {
    const tenths = Math.floor(ms / 100);
    return `${Math.floor(tenths / 10)}.${tenths % 10}s`;
  }
  return elapsed(ms);
}

/** An amount of USD. */
export function cost(usd: number): string {
  if (usd > 0 && usd < 0.01) return "<$0.01";
  const cents = Math.floor(Math.max(usd, 0) * 100 + 0.5);
  return `$${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;
}

/** A number of tokens: 940, 9.4k, 58k, 1.2M. */
export function count(n: number): string {
  const tenths = (unit: number, word: string) => {
    const t = Math.floor((n * 10) / unit + 0.5);
    return `${Math.floor(t / 10)}.${t % 10}${word}`;
  };
  if (n < 1000) return String(Math.max(n, 0));
  if (n < 9950) return tenths(1000, "k");
  if (n < 999500) return `${Math.floor((n + 500) / 1000)}k`;
  return tenths(1000000, "M");
}

export function plural(n: number, one: string): string {
  return n === 1 ? `1 ${one}` : `${n} ${one}s`;
}

export interface Usage {
  /** USD, over all models and runs. */
  cost: number;
  /** It lacks what a model cost whose price nobody knows. */
  unpriced: boolean;
  /** What went to the models and came from them. */
  tokens: number;
  /** Size of the agent's last request and answer, in tokens. */
  context: number;
  /** The model's limit, in tokens; 0 if unknown. */
  window: number;
}

interface Metrics {
  accumulated_cost?: number;
  accumulated_token_usage?: {
    prompt_tokens?: number;
    completion_tokens?: number;
    per_turn_token?: number;
    context_window?: number;
  } | null;
}

/** Adds up the statistics of a state. */
export function usage(info: Info): Usage {
  const u: Usage = { cost: 0, unpriced: info.llms.some((llm) => llm.unpriced), tokens: 0, context: 0, window: 0 };
  const own = info.llms[0]?.usageId ?? "agent";
  const stats = (info.stats ?? {}) as { usage_to_metrics?: Record<string, Metrics> };
  for (const [name, m] of Object.entries(stats.usage_to_metrics ?? {})) {
    const tokens = m.accumulated_token_usage ?? {};
    u.cost += m.accumulated_cost ?? 0;
    u.tokens += (tokens.prompt_tokens ?? 0) + (tokens.completion_tokens ?? 0);
    if (name === own) {
      u.context = tokens.per_turn_token ?? 0;
      u.window = tokens.context_window ?? 0;
    }
  }
  return u;
}

/** What is known of the cost, in words. */
export function spent(u: Usage): string {
  if (!u.unpriced) return cost(u.cost);
  return u.cost === 0 ? "cost unknown" : `over ${cost(u.cost)}`;
}
