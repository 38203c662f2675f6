/** The built view in a plain Chromium: a page for a scene, a theme and a width. */

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import type { Scene } from "./fake";

declare const HERE: string;
declare const DIST: string;

export const shots = process.env.SHOTS ?? join(DIST, "shots");
mkdirSync(shots, { recursive: true });

/** As the extension sets it, for a server instead of the webview's own scheme. */
const policy = "default-src 'none'; img-src data:; font-src 'self'; style-src 'self'; script-src 'self'";

const types: Record<string, string> = { ".js": "text/javascript", ".css": "text/css", ".ttf": "font/ttf" };

const executable = [process.env.AGENT_RPC_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => path && existsSync(path),
);

let server: Server | undefined;
let browser: Browser | undefined;

function page(theme: string, scene: Scene): string {
  const kind = theme === "hc" ? "vscode-high-contrast" : `vscode-${theme}`;
  const json = JSON.stringify(scene).replace(/</g, "\\u003c");
  scenes.set(String(++n), json);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><title>Agent RPC</title>
<link rel="stylesheet" href="/themes/${theme}.css"><link rel="stylesheet" href="/view.css"><script src="/scene/${n}.js"></script><script src="/fake.js"></script></head>
<body class="${kind}"><div id="app"></div><script src="/view.js"></script></body></html>`;
}

const scenes = new Map<string, string>();
const pages = new Map<string, string>();
let n = 0;

export async function start(): Promise<boolean> {
  if (!executable) return false;
  server = createServer((request, response) => {
    const path = new URL(request.url!, "http://x").pathname;
    const send = (type: string, body: string | Buffer) => {
      response.writeHead(200, { "content-type": type });
      response.end(body);
    };
    if (pages.has(path)) return send("text/html; charset=utf-8", pages.get(path)!);
    const scene = /^\/scene\/(\d+)\.js$/.exec(path);
    if (scene) return send("text/javascript; charset=utf-8", `window.scene = ${scenes.get(scene[1]!)};`);
    const file = path.startsWith("/themes/") ? join(HERE, path) : join(DIST, path);
    if (!existsSync(file)) {
      response.writeHead(404);
      return response.end();
    }
    send(types[extname(file)] ?? "application/octet-stream", readFileSync(file));
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  browser = await chromium.launch({ executablePath: executable, args: ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"] });
  return true;
}

export async function stop(): Promise<void> {
  await browser?.close();
  server?.close();
}

export interface Look {
  theme?: "dark" | "light" | "hc";
  width?: number;
  height?: number;
  /** The page's clock stands still at this time, and goes on by `page.clock`. */
  clock?: string;
  reducedMotion?: boolean;
  /** Where requests go that are for the real server. */
  toServer?: (method: string, params: unknown) => Promise<object>;
}

/** Opens a scene, and waits until it is painted. */
export async function open(scene: Scene, look: Look = {}): Promise<Page> {
  const path = `/page/${n + 1}.html`;
  pages.set(path, page(look.theme ?? "dark", scene));
  const context = await browser!.newContext({
    viewport: { width: look.width ?? 360, height: look.height ?? 760 },
    reducedMotion: look.reducedMotion ? "reduce" : "no-preference",
    deviceScaleFactor: 1,
  });
  const tab = await context.newPage();
  const problems: string[] = [];
  tab.on("pageerror", (e) => problems.push(String(e)));
  tab.on("console", (m) => m.type() === "error" && problems.push(m.text()));
  Object.assign(tab, { problems });
  if (look.toServer) await tab.exposeFunction("toServer", look.toServer);
  if (look.clock) await tab.clock.install({ time: new Date(look.clock) });
  await tab.goto(`http://127.0.0.1:${(server!.address() as AddressInfo).port}${path}`);
  if (look.clock) {
    await tab.clock.pauseAt(new Date(Date.parse(look.clock) + 30_000));
    await tab.clock.runFor(200);
  }
  try {
    await tab.waitForSelector(".arpc > *:not(.vh)", { timeout: 10_000 });
  } catch (e) {
    throw new Error(`Nothing is painted: ${problems.join("; ")} ${String(e)}`);
  }
  return tab;
}

/** The same page in another theme and width; from 640 pixels on it stands in an editor tab. */
export async function relook(tab: Page, theme: string, width: number, height: number): Promise<void> {
  await tab.evaluate(
    ({ theme, place }) => {
      const link = document.querySelector<HTMLLinkElement>("link[href^='/themes/']")!;
      const href = `/themes/${theme}.css`;
      const done = link.getAttribute("href") === href || new Promise((resolve) => link.addEventListener("load", () => resolve(true), { once: true }));
      if (done !== true) link.href = href;
      document.body.className = theme === "hc" ? "vscode-high-contrast" : `vscode-${theme}`;
      document.querySelector<HTMLElement>(".arpc")!.dataset.place = place;
      (window as unknown as { fake: { place(place: string): void } }).fake.place(place);
      return done;
    },
    { theme, place: width >= 640 ? "editor" : "sidebar" },
  );
  await tab.setViewportSize({ width, height });
}

/** Waits for the painting that belongs to what was sent so far. */
export async function painted(tab: Page): Promise<void> {
  await tab.evaluate(() => new Promise<void>((resolve) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(() => resolve())), 60)));
}

/** What must hold of every page: no errors, no violation of the policy, nothing that overflows sideways. */
export async function sound(tab: Page): Promise<string[]> {
  const found = [...(tab as Page & { problems: string[] }).problems];
  found.push(
    ...(await tab.evaluate(() => {
      const out: string[] = [...(window as unknown as { violations: string[] }).violations];
      const wide = document.documentElement.clientWidth;
      for (const el of document.querySelectorAll<HTMLElement>(".arpc, .arpc *")) {
        const style = getComputedStyle(el);
        if (style.display === "none" || el.closest(".vh") || el.closest(".table") || el.closest(".track")) continue;
        const box = el.getBoundingClientRect();
        if (box.width > 0 && (box.right > wide + 0.5 || box.left < -0.5))
          out.push(`overflows: ${el.className || el.tagName} ${Math.round(box.left)}..${Math.round(box.right)} of ${wide}`);
        if (el.scrollWidth > el.clientWidth + 1 && ["auto", "scroll"].includes(style.overflowX)) out.push(`scrolls sideways: ${el.className}`);
      }
      for (const el of document.querySelectorAll("[style]"))
        if (el.getAttribute("style")!.trim() !== "" && !el.matches(".space, textarea")) out.push(`inline style: ${el.outerHTML.slice(0, 80)}`);
      for (const el of document.querySelectorAll<HTMLElement>("button, input, textarea, select, [role=option]")) {
        const name = el.getAttribute("aria-label") || el.textContent?.trim() || (el as HTMLInputElement).labels?.[0]?.textContent?.trim();
        if (!name) out.push(`without a name: ${el.outerHTML.slice(0, 100)}`);
      }
      return out;
    })),
  );
  return found;
}

/** Texts whose contrast with what is behind them is below 4.5:1; disabled ones excepted. */
export async function faint(tab: Page): Promise<string[]> {
  return tab.evaluate(() => {
    type Colour = [r: number, g: number, b: number, a: number];
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true })!;
    const parse = (text: string): Colour => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = "#000";
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      return [r!, g!, b!, a! / 255];
    };
    const over = (top: Colour, under: Colour): Colour => {
      const a = top[3];
      return [top[0] * a + under[0] * (1 - a), top[1] * a + under[1] * (1 - a), top[2] * a + under[2] * (1 - a), 1];
    };
    const light = (c: Colour) => {
      const [r, g, b] = [c[0], c[1], c[2]].map((v) => {
        const s = v / 255;
        return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    };
    const out = new Map<string, string>();
    const walker = document.createTreeWalker(document.querySelector(".arpc")!, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const el = node.parentElement!;
      const text = node.textContent!.trim();
      if (text === "" || el.closest(".vh, :disabled, .arming, .i") || el.getBoundingClientRect().width === 0) continue;
      let opacity = 1;
      const layers: Colour[] = [];
      for (let at: Element | null = el; at; at = at.parentElement) {
        const style = getComputedStyle(at);
        opacity *= Number(style.opacity);
        layers.push(parse(style.backgroundColor));
      }
      if (opacity === 0) continue;
      let back: Colour = [255, 255, 255, 1];
      for (const layer of layers.reverse()) back = over(layer, back);
      const fore = parse(getComputedStyle(el).color);
      fore[3] *= opacity;
      const [a, b] = [light(over(fore, back)), light(back)];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5)
        out.set(
          `${el.className}|${el.parentElement?.className}`,
          `${ratio.toFixed(2)}:1 “${text.slice(0, 30)}” in ${el.tagName}.${el.className} in .${el.parentElement?.className}`,
        );
    }
    return [...out.values()];
  });
}
