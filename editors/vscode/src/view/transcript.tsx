/**
 * The transcript: a window on the list of rows. Only what is near the eye is in the page, whatever the length. Heights are measured as
 * rows are painted and guessed before. While the reader is at the bottom the list stays there; else what he reads stays where it is.
 */
import { Component, type VNode } from "preact";
import type { Item } from "../model/list";
import { Icon } from "./common";

export type ListItem = Item | { type: "other"; id: string; joined: boolean };

interface Props {
  items: ListItem[];
  render: (item: ListItem) => VNode | null;
  /** Changes when another conversation is shown. */
  of: string;
  older: boolean;
  loadingOlder: boolean;
  loadOlder: () => void;
  label: string;
  /** Grows when the reader asks for what waits at the end. */
  review: number;
}

interface State {
  start: number;
  end: number;
  fresh: number;
}

/** How far around the view rows are kept, in pixels. */
const around = 600;
/** From where on the next older page is asked for, in pixels. */
const nearTop = 400;
/** How close to the end the reader is at the bottom, in pixels. */
const nearBottom = 32;

export class Transcript extends Component<Props, State> {
  state: State = { start: 0, end: 0, fresh: 0 };
  private scroller: HTMLDivElement | null = null;
  private heights = new Map<string, number>();
  private offsets = new Float64Array(1);
  private width = 0;
  private atBottom = true;
  /** The row that the reader looks at, and where it stands in the view. */
  private anchor: { id: string; top: number } | undefined;
  /** The last row when the reader left the bottom. */
  private leftAt: string | undefined;
  private observer: ResizeObserver | undefined;
  private lastTop = 0;

  componentDidMount(): void {
    this.observer = new ResizeObserver(() => this.settle());
    this.observer.observe(this.scroller!);
    this.observer.observe(this.scroller!.firstElementChild!);
    this.settle();
  }

  componentWillUnmount(): void {
    this.observer?.disconnect();
  }

  componentDidUpdate(before: Props): void {
    if (before.of !== this.props.of) {
      this.atBottom = true;
      this.anchor = undefined;
      this.leftAt = undefined;
    }
    if (before.review !== this.props.review) this.toBottom();
    else this.settle();
  }

  private guess(item: ListItem): number {
    if (item.type === "group") return 24;
    if (item.type === "other") return 200;
    const gap = item.joined ? 0 : 12;
    const { kind, text } = item.row;
    if (kind === "step" || kind === "thinking" || kind === "note") return 24 + gap;
    return 38 + gap + Math.ceil((text?.length ?? 0) / 55) * 19;
  }

  /** Where each row begins, as far as it is known. */
  private layout(): void {
    const { items } = this.props;
    const offsets = new Float64Array(items.length + 1);
    for (let i = 0; i < items.length; i++) offsets[i + 1] = offsets[i]! + (this.heights.get(items[i]!.id) ?? this.guess(items[i]!));
    this.offsets = offsets;
  }

  /** The first row whose end is after `y`. */
  private at(y: number): number {
    let low = 0;
    let high = this.props.items.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.offsets[mid + 1]! > y) high = mid;
      else low = mid + 1;
    }
    return low;
  }

  private range(): { start: number; end: number } {
    const n = this.props.items.length;
    const view = this.scroller?.clientHeight || 700;
    const top = this.atBottom || !this.scroller ? this.offsets[n]! - view : this.scroller.scrollTop;
    const start = Math.min(this.at(Math.max(top - around, 0)), Math.max(n - 1, 0));
    return { start, end: Math.min(this.at(top + view + around) + 1, n) };
  }

  /** After each painting: rows are measured, the view is put where it belongs, and other rows are asked for where some are missing. */
  private settle(): void {
    const el = this.scroller;
    if (!el) return;
    if (el.clientWidth !== this.width) {
      this.width = el.clientWidth;
      this.heights.clear();
    }
    for (const child of el.firstElementChild!.children) {
      const id = (child as HTMLElement).dataset.id;
      if (id !== undefined) this.heights.set(id, child.getBoundingClientRect().height);
    }
    this.layout();
    if (this.atBottom) {
      // What waits for a decision is read from its beginning.
      const last = this.props.items[this.props.items.length - 1];
      const height = last?.type === "other" && last.id !== "changes" ? (this.heights.get(last.id) ?? 0) : 0;
      const child = height > el.clientHeight ? this.child(last!.id) : undefined;
      if (child) {
        el.scrollTop += child.getBoundingClientRect().top - el.getBoundingClientRect().top;
      } else if (el.scrollHeight - el.scrollTop - el.clientHeight > 1) el.scrollTop = el.scrollHeight;
    } else if (this.anchor) {
      const i = this.props.items.findIndex((item) => item.id === this.anchor!.id);
      if (i >= 0) {
        const child = this.child(this.anchor.id);
        const now = child ? child.getBoundingClientRect().top - el.getBoundingClientRect().top : this.offsets[i]! - el.scrollTop;
        const by = now - this.anchor.top;
        if (Math.abs(by) > 1) el.scrollTop += by;
      }
    }
    this.lastTop = el.scrollTop;
    if (!this.atBottom && el.scrollHeight - el.scrollTop - el.clientHeight < 2) this.atBottom = true;
    const { start, end } = this.range();
    const fresh = this.fresh();
    const wide = start < this.state.start || end > this.state.end || end - start < (this.state.end - this.state.start) / 2;
    if (wide || fresh !== this.state.fresh) this.setState({ ...(wide ? { start, end } : { start: this.state.start, end: this.state.end }), fresh });
    if (el.scrollTop < nearTop && this.props.older && !this.props.loadingOlder && this.props.items.length > 0 && this.scrolled)
      this.props.loadOlder();
  }

  /** The reader has moved: only then are older pages read by themselves. */
  private scrolled = false;

  private child(id: string): HTMLElement | undefined {
    for (const child of this.scroller!.firstElementChild!.children) if ((child as HTMLElement).dataset.id === id) return child as HTMLElement;
    return undefined;
  }

  /** How many rows came since the reader left the bottom. */
  private fresh(): number {
    if (this.atBottom || this.leftAt === undefined) return 0;
    const lasting = this.lasting();
    const at = lasting.lastIndexOf(this.leftAt);
    return at < 0 ? 0 : lasting.length - 1 - at;
  }

  /** Ids of what does not stand at the end whatever comes: an ending that only the state tells, changes, questions. */
  private lasting(): string[] {
    return this.props.items.filter((item) => item.type === "group" || (item.type === "row" && item.id !== "end")).map((item) => item.id);
  }

  private onScroll = (): void => {
    const el = this.scroller!;
    // What settle() has moved is no move of the reader's.
    if (Math.abs(el.scrollTop - this.lastTop) < 1) return;
    this.scrolled = true;
    this.lastTop = el.scrollTop;
    const was = this.atBottom;
    this.atBottom = el.scrollHeight - el.scrollTop - el.clientHeight < nearBottom;
    if (was && !this.atBottom) this.leftAt = this.lasting().at(-1);
    this.remember();
    this.settle();
  };

  private remember(): void {
    const el = this.scroller!;
    const top = el.getBoundingClientRect().top;
    this.anchor = undefined;
    for (const child of el.firstElementChild!.children) {
      const id = (child as HTMLElement).dataset.id;
      const box = child.getBoundingClientRect();
      if (id !== undefined && box.bottom > top + 1) {
        this.anchor = { id, top: box.top - top };
        return;
      }
    }
  }

  /** Before a row is opened or closed: what is under the pointer stays, also at the bottom. */
  private onClick = (e: MouseEvent): void => {
    const row = (e.target as HTMLElement).closest?.<HTMLElement>("[data-id]");
    if (!row || !(e.target as HTMLElement).closest("[aria-expanded]")) return;
    const el = this.scroller!;
    if (this.atBottom) this.leftAt = this.lasting().at(-1);
    this.atBottom = false;
    this.anchor = { id: row.dataset.id!, top: row.getBoundingClientRect().top - el.getBoundingClientRect().top };
  };

  toBottom = (): void => {
    this.atBottom = true;
    this.leftAt = undefined;
    this.settle();
    this.setState({ fresh: 0 });
  };

  render() {
    const { items, older, loadingOlder } = this.props;
    this.layout();
    if (this.atBottom || this.state.end > items.length || this.state.end === 0) Object.assign(this.state, this.range());
    const { start, end, fresh } = this.state;
    const above = this.offsets[start] ?? 0;
    const below = Math.max(this.offsets[items.length]! - (this.offsets[end] ?? 0), 0);
    return (
      <>
        <div
          class="log"
          role="log"
          aria-live="off"
          aria-label={this.props.label}
          tabIndex={0}
          ref={(el) => {
            this.scroller = el as HTMLDivElement | null;
          }}
          onScroll={this.onScroll}
          onClickCapture={this.onClick}
        >
          <div class="rows">
            {older && (
              <div key="older" class="row mid">
                <button type="button" class="lnk" disabled={loadingOlder} onClick={this.props.loadOlder}>
                  {loadingOlder ? "Loading…" : "Load earlier events"}
                </button>
              </div>
            )}
            <div key="above" class="space" style={{ height: `${above}px` }} />
            {items.slice(start, end).map((item) => (
              <div key={item.id} data-id={item.id} class={item.joined ? "row joined" : "row"}>
                {this.props.render(item)}
              </div>
            ))}
            <div key="below" class="space" style={{ height: `${below}px` }} />
          </div>
        </div>
        {!this.atBottom && this.scroller && this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight > nearBottom && (
          <div class="jump-at">
            <button type="button" class="jump" onClick={this.toBottom}>
              <Icon name="arrow-down" />
              {fresh > 0 ? `${fresh} new` : "To the end"}
            </button>
          </div>
        )}
      </>
    );
  }
}
