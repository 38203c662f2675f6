/** What the sources promise of one another. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

declare const ROOT: string;
const extension = join(ROOT, "editors/vscode");

test("protocol.ts is what the server says of itself", (t) => {
  const binary = process.env.AGENT_RPC_BIN ?? join(ROOT, "bin/agent-rpc");
  if (!existsSync(binary)) return t.skip("no bin/agent-rpc: run make build, or set AGENT_RPC_BIN");
  const now = execFileSync(binary, ["schema", "--format", "ts"], { encoding: "utf8" });
  assert.equal(readFileSync(join(extension, "src/protocol.ts"), "utf8"), now, "write it anew: agent-rpc schema --format ts > src/protocol.ts");
});

const views = readdirSync(join(extension, "src/view")).filter((name) => name.endsWith(".tsx") || name.endsWith(".ts"));
const source = views.map((name) => readFileSync(join(extension, "src/view", name), "utf8")).join("\n");
const icons = readFileSync(join(extension, "src/view/icons.css"), "utf8");

test("each icon is a codicon, and each that is used is there", () => {
  const theirs = readFileSync(join(extension, "node_modules/@vscode/codicons/dist/codicon.css"), "utf8");
  const have = new Map([...icons.matchAll(/\.i-([\w-]+)::before \{ content: "(\\[0-9a-f]+)"; \}/g)].map((m) => [m[1]!, m[2]!]));
  for (const [name, code] of have) assert.ok(theirs.includes(`.codicon-${name}:before { content: "${code}"`), name);
  const used = [...source.matchAll(/(?:icon(?:=|: )|name=|Icon name=)"([a-z-]+)"/g)].map((m) => m[1]!);
  for (const name of used) assert.ok(have.has(name) || ["description"].includes(name), `the icon ${name} is not in icons.css`);
});

test("no colour literal stands in the style but in fall-backs, and no inline style in the sources", () => {
  const style = readFileSync(join(extension, "src/view/style.css"), "utf8").replace(/var\(--vscode-[^()]*,[^()]*\)/g, "");
  assert.deepEqual(style.match(/#[0-9a-f]{3,8}\b|rgba?\(/gi) ?? [], []);
  // The spaces of the windowed list are set by CSSOM, which the policy allows.
  assert.deepEqual(source.match(/style=(?!\{\{ height: `\$\{(?:above|below)\}px` \}\})[^ ]*/g) ?? [], []);
});
