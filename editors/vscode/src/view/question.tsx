/** A question of a tool, as a form made from its schema. Nothing is answered by default. */
import { useEffect, useRef, useState } from "preact/hooks";
import { visibleLine, visibleProse } from "../model/visible";
import type { Pending } from "../protocol";
import { useArmed } from "./approval";
import { Button, Icon, useStore } from "./common";

interface Field {
  type?: string | string[];
  title?: string;
  description?: string;
  enum?: unknown[];
  enumNames?: string[];
  oneOf?: Array<{ const?: unknown; title?: string }>;
  items?: Field & { anyOf?: Array<{ const?: unknown; title?: string }> };
  format?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
}

interface Schema {
  properties?: Record<string, Field>;
  required?: string[];
}

type Value = string | boolean | string[] | undefined;

interface Choice {
  value: unknown;
  label: string;
}

function choicesOf(field: Field): Choice[] | undefined {
  if (field.enum) return field.enum.map((value, i) => ({ value, label: field.enumNames?.[i] ?? String(value) }));
  const one = field.oneOf ?? field.items?.anyOf;
  if (one?.every((o) => "const" in o)) return one.map((o) => ({ value: o.const, label: o.title ?? String(o.const) }));
  if (field.items?.enum) return field.items.enum.map((value) => ({ value, label: String(value) }));
  return undefined;
}

const typeOf = (field: Field) => (Array.isArray(field.type) ? field.type.find((t) => t !== "null") : field.type) ?? "string";

/** The content that fits the schema, or what is missing. */
function content(schema: Schema, values: Record<string, Value>): { content?: Record<string, unknown>; missing?: string } {
  const out: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const value = values[name];
    const label = field.title ?? name;
    const required = schema.required?.includes(name);
    const type = typeOf(field);
    if (type === "boolean") {
      if (value !== undefined || required) out[name] = value === true;
      continue;
    }
    if (value === undefined || value === "" || (Array.isArray(value) && value.length === 0)) {
      if (required) return { missing: `${label} is missing` };
      continue;
    }
    const choices = choicesOf(field);
    if (Array.isArray(value)) out[name] = value.map((i) => choices?.[Number(i)]?.value ?? i);
    else if (choices) out[name] = choices[Number(value)]?.value;
    else if (type === "number" || type === "integer") {
      const n = Number(value);
      if (Number.isNaN(n) || (type === "integer" && !Number.isInteger(n)))
        return { missing: `${label} must be ${type === "integer" ? "a whole number" : "a number"}` };
      out[name] = n;
    } else out[name] = value;
  }
  return { content: out };
}

export function Question({ pending }: { pending: Pending }) {
  const store = useStore();
  const armed = useArmed(pending.requestId);
  const [values, setValues] = useState<Record<string, Value>>({});
  const [problem, setProblem] = useState("");
  const [sending, setSending] = useState(false);
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    if (store.takesFocus(pending.requestId)) box.current?.querySelector<HTMLElement>("input, textarea")?.focus();
  });
  const schema = (pending.schema ?? {}) as Schema;
  const fields = Object.entries(schema.properties ?? {});
  const single = fields.length === 1;
  const set = (name: string, value: Value) => {
    setProblem("");
    setValues((v) => ({ ...v, [name]: value }));
  };
  const reply = async (action: "accept" | "decline") => {
    if (!armed || sending || !store.armed(pending.requestId)) return;
    const { content: body, missing } = action === "accept" ? content(schema, values) : {};
    if (missing) return setProblem(missing);
    setSending(true);
    const failed = await store.answer(pending, action, body);
    setSending(false);
    if (failed) setProblem(failed);
  };
  const off = !armed || sending || store.conversation?.readOnly;
  return (
    <section ref={box} class={`question ${armed ? "" : "arming"}`} aria-label="A question of the agent">
      <header>
        <Icon name="question" class="live" />
        <b class="typed grow">{visibleProse(pending.message ?? "The agent asks")}</b>
      </header>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          void reply("accept");
        }}
      >
        {fields.map(([name, field]) => (
          <FormField
            key={name}
            id={`${pending.requestId}-${name}`}
            name={name}
            field={field}
            bare={single}
            value={values[name]}
            set={(value) => set(name, value)}
            submit={() => void reply("accept")}
          />
        ))}
        {problem && (
          <p class="err" role="alert">
            {visibleLine(problem)}
          </p>
        )}
        <div class="acts">
          <Button primary disabled={off} onClick={() => void reply("accept")}>
            Answer
          </Button>
          <Button disabled={off} onClick={() => void reply("decline")}>
            Decline
          </Button>
        </div>
      </form>
    </section>
  );
}

function FormField(props: { id: string; name: string; field: Field; bare: boolean; value: Value; set: (value: Value) => void; submit: () => void }) {
  const { id, field, value, set } = props;
  const label = visibleLine(field.title ?? props.name);
  const choices = choicesOf(field);
  const type = typeOf(field);
  const help = field.description && <p class="meta">{visibleLine(field.description)}</p>;
  if (choices) {
    const several = type === "array";
    const chosen = Array.isArray(value) ? value : value === undefined ? [] : [String(value)];
    return (
      <fieldset>
        <legend class={props.bare ? "vh" : ""}>{label}</legend>
        {help}
        {choices.map((choice, i) => (
          <label key={i} class="check option">
            <input
              type={several ? "checkbox" : "radio"}
              name={id}
              checked={chosen.includes(String(i))}
              onChange={(e) => {
                if (!several) return set(String(i));
                set(e.currentTarget.checked ? [...chosen, String(i)] : chosen.filter((c) => c !== String(i)));
              }}
            />
            <span>{visibleLine(choice.label)}</span>
          </label>
        ))}
      </fieldset>
    );
  }
  if (type === "boolean") {
    return (
      <label class="check option">
        <input type="checkbox" checked={value === true} onChange={(e) => set(e.currentTarget.checked)} />
        <span>{label}</span>
        {help}
      </label>
    );
  }
  const number = type === "number" || type === "integer";
  return (
    <div class="form-field">
      <label for={id} class={props.bare ? "vh" : ""}>
        {label}
      </label>
      {help}
      {number || field.format ? (
        <input
          id={id}
          class="field"
          inputMode={number ? "decimal" : undefined}
          value={String(value ?? "")}
          onInput={(e) => set(e.currentTarget.value)}
        />
      ) : (
        <textarea
          id={id}
          class="field"
          rows={2}
          maxLength={field.maxLength}
          value={String(value ?? "")}
          onInput={(e) => set(e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
            e.preventDefault();
            props.submit();
          }}
        />
      )}
    </div>
  );
}
