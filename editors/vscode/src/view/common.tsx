/** What all parts of the view use. */
import { Component, type ComponentChildren, createContext, type VNode } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { visible, visibleLine } from "../model/visible";
import type { Store } from "./store";

export const StoreContext = createContext<Store>(undefined as unknown as Store);
export const useStore = () => useContext(StoreContext);

export function Icon({ name, class: more = "" }: { name: string; class?: string }) {
  return <i class={`i i-${name} ${more}`} aria-hidden="true" />;
}

export function Spinner() {
  return <i class="i i-loading spin" aria-hidden="true" />;
}

/** A button that is an icon alone; its label is read and shown as a title. */
export function IconButton(props: { icon: string; label: string; title?: string; onClick: () => void; disabled?: boolean; class?: string }) {
  return (
    <button
      type="button"
      class={`ib ${props.class ?? ""}`}
      title={props.title ?? props.label}
      aria-label={props.label}
      disabled={props.disabled}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
    </button>
  );
}

export function Button(props: {
  children: ComponentChildren;
  onClick: () => void;
  icon?: string;
  primary?: boolean;
  small?: boolean;
  disabled?: boolean;
  title?: string;
  class?: string;
}) {
  return (
    <button
      type="button"
      class={`btn ${props.primary ? "primary" : ""} ${props.small ? "small" : ""} ${props.class ?? ""}`}
      disabled={props.disabled}
      title={props.title}
      onClick={props.onClick}
    >
      {props.icon && <Icon name={props.icon} />}
      {props.children}
    </button>
  );
}

/** A link that does something. */
export function Link(props: {
  children: ComponentChildren;
  onClick: () => void;
  title?: string;
  class?: string;
  label?: string;
  disabled?: boolean;
}) {
  return (
    <button
      type="button"
      class={`lnk ${props.class ?? ""}`}
      title={props.title}
      aria-label={props.label}
      disabled={props.disabled}
      onClick={props.onClick}
    >
      {props.children}
    </button>
  );
}

/** A name and its folder, the folder muted. */
export function PathName({ path }: { path: string }) {
  const at = path.lastIndexOf("/");
  return (
    <span class="clip" title={visible(path)}>
      <span class="name">{visibleLine(path.slice(at + 1))}</span>
      {at > 0 && <span class="dir"> {visibleLine(path.slice(0, at))}</span>}
    </span>
  );
}

export function Stat({ added, removed }: { added: number; removed: number }) {
  return (
    <span class="stat">
      <span class="add">+{added}</span> <span class="del">−{removed}</span>
    </span>
  );
}

/** Time that goes on while something runs, in milliseconds, at full seconds. */
export function useNow(active: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!active) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [active]);
  return active ? Math.max(now, Date.now()) : now;
}

/** A component that is painted anew only when its props are not the same. */
export function memo<P extends object>(render: (props: P) => VNode | null, same: (a: P, b: P) => boolean) {
  const Inner = render;
  return class extends Component<P> {
    shouldComponentUpdate(next: P): boolean {
      return !same(this.props, next);
    }
    render() {
      return <Inner {...this.props} />;
    }
  };
}
