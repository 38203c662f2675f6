// Runs the tests of this folder inside a real extension host: run.mjs NODE CODE CHROMIUM, with the server at $AGENT_RPC_BIN. The extension
// is the one in dist/. The last line is "N passed, N failed".
import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { browser, freePort, quiet, until } from "../drive/rig.mjs";

const [, , node, code, chromium] = process.argv;
const here = dirname(fileURLToPath(import.meta.url));
const extension = join(here, "../..");
const home = realpathSync(mkdtempSync(join(tmpdir(), "agent-rpc-host-")));
const folder = join(home, "work");
const profile = join(home, "data/User");
for (const path of [folder, profile]) mkdirSync(path, { recursive: true });
// Trust is off: its question can't be answered here.
writeFileSync(join(profile, "settings.json"), JSON.stringify(quiet));
const script = join(home, "model.script");
writeFileSync(script, readFileSync(join(here, "model.script")));

const suite = join(home, "suite.js");
await esbuild.build({
  entryPoints: [join(here, "suite.ts")],
  outfile: suite,
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["vscode"],
  sourcemap: "inline",
  logLevel: "warning",
});

const port = await freePort();
const xdg = Object.fromEntries(["CONFIG", "DATA", "CACHE", "STATE"].map((name) => [`XDG_${name}_HOME`, join(home, "xdg")]));
const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/API_KEY$|^LLM_/.test(name)));
const server = spawn(
  node,
  [
    join(code, "lib/vscode/out/server-main.js"),
    ...["--host", "127.0.0.1", "--port", String(port), "--without-connection-token", "--accept-server-license-terms", "--telemetry-level", "off"],
    ...["--server-data-dir", home, "--user-data-dir", join(home, "data"), "--extensions-dir", join(home, "extensions")],
    "--enable-smoke-test-driver",
  ],
  {
    env: { ...inherited, ...xdg, HOME: home, LLM_MODEL: `scripted/${script}`, EXTENSIONS_GALLERY: '{"serviceUrl":""}' },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  },
);
const log = createWriteStream(join(home, "server.log"));
for (const stream of [server.stdout, server.stderr]) stream.pipe(log, { end: false });

let failed = 1;
let web;
try {
  await until("VS Code answers", async () => (await fetch(`http://127.0.0.1:${port}/version`).catch(() => undefined))?.ok);
  web = await browser(chromium);
  const page = await (await web.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  const counts = { ok: 0, FAIL: 0 };
  let over;
  const ended = new Promise((resolve) => {
    over = resolve;
  });
  await page.exposeFunction("codeAutomationLog", (_, args) => {
    const text = String(args?.[0] ?? "");
    const [, word, rest] = /^TEST (ok|FAIL) (.*)$/s.exec(text) ?? [];
    if (!word) return;
    counts[word]++;
    console.log(`${word.padEnd(4)} ${rest}`);
  });
  await page.exposeFunction("codeAutomationExit", (status) => over(status));
  const at = (path) => `vscode-remote://127.0.0.1:${port}${path}`;
  const payload = [
    ["extensionDevelopmentPath", at(extension)],
    ["extensionTestsPath", at(suite)],
  ];
  await page.goto(`http://127.0.0.1:${port}/?folder=${folder}&payload=${encodeURIComponent(JSON.stringify(payload))}`);
  const timer = setTimeout(() => over("time is over"), 300_000);
  const status = await ended;
  clearTimeout(timer);
  failed = counts.FAIL;
  if (status !== 0 && failed === 0) {
    failed = 1;
    console.log(`FAIL the extension host ended with ${status}\n${readFileSync(join(home, "server.log"), "utf8").slice(-3000)}`);
  }
  console.log(`${counts.ok} passed, ${failed} failed`);
} finally {
  await web?.close();
  try {
    process.kill(-server.pid, "SIGKILL");
  } catch {
    // It has ended.
  }
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(failed > 0 ? 1 : 0);
