// A real VS Code, served to a real browser, with the packaged extension and the real server, whose model plays a script.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { chromium } from "playwright-core";

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** How long anything may take: the machines are noisy. */
export const patience = 60_000;

/** A port that nobody listens on. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
    server.on("error", reject);
  });
}

/** Settings of the profile: nothing that asks, greets or phones. */
export const quiet = {
  "security.workspace.trust.enabled": false,
  "workbench.startupEditor": "none",
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "extensions.autoUpdate": false,
  "extensions.autoCheckUpdates": false,
  "extensions.ignoreRecommendations": true,
  "chat.disableAIFeatures": true,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.tips.enabled": false,
  "workbench.enableExperiments": false,
  "workbench.layoutControl.enabled": false,
  "window.commandCenter": false,
  "git.enabled": false,
  "terminal.integrated.gpuAcceleration": "off", // so that its text is in the page
  "files.autoSave": "off",
};

/** A running VS Code. */
export class Code {
  /**
   * Installs a package into a fresh profile and serves it. `script` is what the model answers; `env` is more environment.
   */
  static async start({ node, code, vsix, script, env = {}, settings = {} }) {
    const made = new Code();
    const home = realpathSync(mkdtempSync(join(tmpdir(), "agent-rpc-drive-")));
    made.home = home;
    made.profile = join(home, "data/User");
    mkdirSync(made.profile, { recursive: true });
    made.settings(settings);
    made.script = join(home, "model.script");
    writeFileSync(made.script, script);
    made.port = await freePort();
    writeFileSync(join(home, "config.yaml"), `bind-addr: 127.0.0.1:${made.port}\nauth: none\ncert: false\n`);
    const xdg = Object.fromEntries(["CONFIG", "DATA", "CACHE", "STATE"].map((name) => [`XDG_${name}_HOME`, join(home, "xdg")]));
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/API_KEY$|^LLM_|^AGENT_RPC_/.test(name)));
    made.env = { ...inherited, ...xdg, HOME: home, LLM_MODEL: `scripted/${made.script}`, EXTENSIONS_GALLERY: '{"serviceUrl":""}', ...env };
    const common = ["--config", join(home, "config.yaml"), "--user-data-dir", join(home, "data"), "--extensions-dir", join(home, "extensions")];
    const entry = join(code, "out/node/entry.js");
    if (vsix) await done(spawn(node, [entry, ...common, "--install-extension", vsix], { env: made.env, stdio: "pipe" }), "installing the extension");
    made.process = spawn(
      node,
      [entry, ...common, "--disable-telemetry", "--disable-update-check", "--disable-workspace-trust", "--disable-getting-started-override"],
      {
        env: made.env,
        stdio: "pipe",
        detached: true,
      },
    );
    made.log = "";
    for (const stream of [made.process.stdout, made.process.stderr]) stream.on("data", (data) => (made.log += data));
    await until("VS Code answers", async () => (await fetch(`http://127.0.0.1:${made.port}/healthz`).catch(() => undefined))?.ok);
    return made;
  }

  /** Writes the settings of the user. */
  settings(more) {
    writeFileSync(join(this.profile, "settings.json"), JSON.stringify({ ...quiet, "workbench.colorTheme": "Default Dark Modern", ...more }, null, 2));
  }

  /** Makes a folder with files; gives its path. */
  folder(name, files) {
    const path = join(this.home, "work", name);
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(path, file)), { recursive: true });
      writeFileSync(join(path, file), text);
    }
    mkdirSync(path, { recursive: true });
    return path;
  }

  stop() {
    try {
      process.kill(-this.process.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}

function done(child, what) {
  let out = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (out += data));
  return new Promise((resolve, reject) => {
    child.on("exit", (status) => (status === 0 ? resolve(out) : reject(new Error(`${what} failed (${status}):\n${out}`))));
  });
}

/** Waits until something is true, and gives it. */
export async function until(what, look, timeout = patience) {
  const deadline = Date.now() + timeout;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > deadline) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Starts the browser for all windows. */
export const browser = (chromiumPath) => chromium.launch({ executablePath: chromiumPath, args: flags });

/** A window of VS Code in a page of the browser. */
export class Window {
  static async open(browser_, code, folder, { width = 1280, height = 900, shots } = {}) {
    const made = new Window();
    made.code = code;
    made.path = folder;
    made.shots = shots;
    made.context = await browser_.newContext({ viewport: { width, height } });
    made.context.setDefaultTimeout(patience);
    made.page = await made.context.newPage();
    made.errors = [];
    made.page.on("console", (m) => /Content Security Policy|Refused to/.test(m.text()) && made.errors.push(m.text()));
    made.page.on("request", (r) => {
      const url = new URL(r.url());
      if (/^https?:$/.test(url.protocol) && !/^(127\.0\.0\.1|localhost)$/.test(url.hostname) && !url.hostname.endsWith(".vscode-cdn.net"))
        made.errors.push(`external: ${r.url()}`);
    });
    await made.load();
    return made;
  }

  async load() {
    await this.page.goto(`http://127.0.0.1:${this.code.port}/?folder=${this.path}`);
    await this.page.waitForSelector(".monaco-workbench");
    await this.page.waitForSelector(".explorer-folders-view .monaco-list-row, .activitybar");
  }

  /** Runs a command by its title. The palette knows only what was there when it opened, so it is opened until the command is there. */
  async command(title) {
    const input = this.page.locator(".quick-input-widget .quick-input-box input");
    await until(`the command ${title}`, async () => {
      await this.page.keyboard.press("F1");
      await input.waitFor();
      await input.fill(`>${title}`);
      const row = this.page.locator(".quick-input-list .monaco-list-row", { hasText: title }).first();
      try {
        await row.click({ timeout: 3000 });
        return true;
      } catch {
        await this.page.keyboard.press("Escape");
        return false;
      }
    });
  }

  /** Takes a colour theme, by its name. */
  async theme(name) {
    await this.command("Preferences: Color Theme");
    const input = this.page.locator(".quick-input-widget .quick-input-box input");
    const row = this.page.locator(".quick-input-list .monaco-list-row", { hasText: name }).first();
    await until(`the theme ${name}`, async () => {
      await input.fill(name);
      return row.click({ timeout: 5000 }).then(
        () => true,
        () => false,
      );
    });
    await this.page.locator(".quick-input-widget").waitFor({ state: "hidden" });
  }

  /** The page of the chat: in the side bar, or in an editor tab. */
  get chat() {
    return this.page.frameLocator("iframe.webview.ready").first().frameLocator("iframe#active-frame");
  }

  /** Opens the chat from the activity bar. */
  async openChat() {
    const icon = this.page.locator('.activitybar a[aria-label^="Agent RPC"]');
    await icon.waitFor();
    await until("the chat", async () => {
      if (!(await this.page.locator("iframe.webview.ready").count())) await icon.click();
      try {
        await this.composer.waitFor({ timeout: 5000 });
        return true;
      } catch {
        return false;
      }
    });
  }

  get composer() {
    return this.chat.locator("textarea").first();
  }

  async say(text) {
    await this.composer.click();
    await this.composer.fill(text);
    await this.composer.press("Enter");
  }

  /** Waits for a text in the chat. */
  async see(text) {
    await this.chat.getByText(text).first().waitFor();
  }

  async openFile(name) {
    await this.page.keyboard.press("Control+P");
    const input = this.page.locator(".quick-input-widget .quick-input-box input");
    await input.fill(name);
    await this.page.locator(".quick-input-list .monaco-list-row", { hasText: name }).first().click();
    await this.page.locator(`.tab[data-resource-name="${name}"]`).first().waitFor();
  }

  async shot(name) {
    if (this.shots) await this.page.screenshot({ path: join(this.shots, `${name}.png`) });
  }

  read(name) {
    try {
      return readFileSync(join(this.path, name), "utf8");
    } catch {
      return undefined;
    }
  }

  close() {
    return this.context.close();
  }
}
