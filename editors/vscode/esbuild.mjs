// Bundles the extension into dist/: `node esbuild.mjs`, with --watch for development and --dev for source maps.
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { viewOptions } from "./esbuild.view.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const production = !process.argv.includes("--dev");
const out = join(here, "dist");

const host = {
  entryPoints: { extension: join(here, "src/extension.ts") },
  outdir: out,
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["vscode"],
  minify: production,
  sourcemap: production ? false : "linked",
  legalComments: "linked",
  logLevel: "warning",
};

rmSync(out, { recursive: true, force: true });
const bundles = [host, viewOptions(out, production)];
if (process.argv.includes("--watch")) {
  for (const options of bundles) await (await esbuild.context(options)).watch();
} else {
  await Promise.all(bundles.map((options) => esbuild.build(options)));
}
