// Builds the view and the tests of the page, and runs them in Debian's Chromium. Screenshots go to $SHOTS.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { viewOptions } from "../../esbuild.view.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
// Inside of the package, so that Node finds playwright-core.
const out = mkdtempSync(join(root, "node_modules/.page-"));
let code = 1;
try {
  await esbuild.build(viewOptions(out));
  await esbuild.build({ entryPoints: [join(here, "fake.ts")], outdir: out, bundle: true, format: "iife", logLevel: "warning" });
  await esbuild.build({
    entryPoints: [join(here, "page.test.ts")],
    outdir: out,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "inline",
    packages: "external",
    define: { ROOT: JSON.stringify(join(root, "../..")), HERE: JSON.stringify(here), DIST: JSON.stringify(out) },
    logLevel: "warning",
  });
  const shots = process.env.SHOTS ?? join(tmpdir(), "agent-rpc-page");
  const args = ["--enable-source-maps", "--test", "--test-timeout=600000", ...process.argv.slice(2), join(out, "page.test.mjs")];
  code = await new Promise((resolve) => {
    spawn(process.execPath, args, { stdio: "inherit", env: { ...process.env, SHOTS: shots } }).on("exit", (c) => resolve(c ?? 1));
  });
} finally {
  rmSync(out, { recursive: true, force: true });
}
process.exit(code);
