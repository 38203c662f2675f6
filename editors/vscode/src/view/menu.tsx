/** A menu under its button: arrows move, Escape closes and gives the focus back. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./common";

export interface MenuItem {
  icon: string;
  label: string;
  hint?: string;
  run: () => void;
  disabled?: boolean;
}

export function Menu(props: { label: string; items: MenuItem[]; close: () => void; class?: string; head?: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    box.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const away = (e: Event) => {
      if (!box.current?.contains(e.target as Node)) props.close();
    };
    document.addEventListener("pointerdown", away, true);
    return () => {
      document.removeEventListener("pointerdown", away, true);
      if (box.current?.contains(document.activeElement) || document.activeElement === document.body) before?.focus();
    };
  }, []);
  const onKey = (e: KeyboardEvent) => {
    const items = [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]:not([disabled])") ?? [])];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const to: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
    if (e.key === "Escape" || e.key === "Tab") {
      if (e.key === "Escape") e.preventDefault();
      e.stopPropagation();
      props.close();
    } else if (e.key in to) {
      e.preventDefault();
      items[(to[e.key]! + items.length) % items.length]?.focus();
    }
  };
  return (
    <div class={`pop menu ${props.class ?? ""}`} role="menu" aria-label={props.label} ref={box} onKeyDown={onKey}>
      {props.head}
      {props.items.map((item) => (
        <button
          key={item.label}
          type="button"
          class="opt"
          role="menuitem"
          tabIndex={-1}
          disabled={item.disabled}
          onClick={() => {
            props.close();
            item.run();
          }}
        >
          <Icon name={item.icon} />
          <span>{item.label}</span>
          {item.hint && <span class="dir clip">{item.hint}</span>}
        </button>
      ))}
    </div>
  );
}
