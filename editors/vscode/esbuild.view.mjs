// How the webview is bundled: used by the extension's own build and by the tests of the page.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

/** Options of esbuild for the view: `view.js`, `view.css` and the icons' font in `outdir`. */
export function viewOptions(outdir, production = true) {
  return {
    entryPoints: { view: join(here, "src/view/main.tsx") },
    outdir,
    bundle: true,
    platform: "browser",
    format: "iife",
    target: ["chrome120"],
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".ttf": "file" },
    assetNames: "[name]",
    minify: production,
    sourcemap: production ? false : "linked",
    legalComments: "linked",
    logLevel: "warning",
  };
}
