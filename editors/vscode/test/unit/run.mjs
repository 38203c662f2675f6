// Bundles each test of this folder for Node, and runs them with its own runner.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = mkdtempSync(join(tmpdir(), "agent-rpc-unit-"));
const only = process.argv[2];
const files = readdirSync(here).filter((name) => name.endsWith(".test.ts") && (!only || name.includes(only)));
await esbuild.build({
  entryPoints: files.map((name) => join(here, name)),
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: "inline",
  jsx: "automatic",
  jsxImportSource: "preact",
  define: { ROOT: JSON.stringify(join(here, "../../../..")), HERE: JSON.stringify(here) },
  logLevel: "warning",
});
const tests = files.map((name) => join(out, basename(name, ".ts") + ".mjs"));
const child = spawn(process.execPath, ["--enable-source-maps", "--test", ...tests], { stdio: "inherit" });
child.on("exit", (code) => {
  rmSync(out, { recursive: true, force: true });
  process.exit(code ?? 1);
});
