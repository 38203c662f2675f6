/** The real server, with a scripted model, behind the page: what the extension host does, without an editor. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

declare const ROOT: string;

interface Message {
  id?: number;
  method?: string;
  params?: unknown;
  result?: unknown;
  error?: { code: number; message: string };
}

export const binary = process.env.AGENT_RPC_BIN ?? join(ROOT, "bin/agent-rpc");
export const built = existsSync(binary);

export class Server {
  readonly workspace: string;
  readonly create: Record<string, unknown>;
  onNotification: (method: string, params: unknown) => void = () => undefined;
  private child: ChildProcess;
  private home = mkdtempSync(join(tmpdir(), "agent-rpc-page-"));
  private waiting = new Map<number, (m: Message) => void>();
  private last = 0;
  private rest = Buffer.alloc(0);

  /** The session of a recording: its script, its files, its params of `create`. */
  constructor(name: string) {
    const folder = join(ROOT, "testdata/conversations");
    const session = JSON.parse(readFileSync(join(folder, `${name}.session.json`), "utf8")) as {
      create?: Record<string, unknown>;
      files?: Record<string, string>;
    };
    this.create = session.create ?? {};
    this.workspace = join(this.home, "greet");
    mkdirSync(this.workspace);
    for (const [path, text] of Object.entries(session.files ?? {})) writeFileSync(join(this.workspace, path), text);
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(LLM_|AGENT_RPC_|OH_)/.test(key)));
    this.child = spawn(binary, [], {
      cwd: this.workspace,
      env: { ...env, HOME: this.home, LLM_MODEL: `scripted/${join(folder, `${name}.script`)}` },
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.child.stdout!.on("data", (chunk: Buffer) => this.read(chunk));
  }

  async start(): Promise<void> {
    const agentRpc = { versions: [1], deltas: {}, confirmation: {}, input: {} };
    await this.request("initialize", {
      processId: process.pid,
      rootUri: pathToFileURL(this.workspace).href,
      capabilities: {},
      initializationOptions: { agentRpc },
    });
    this.send({ method: "initialized", params: {} });
  }

  request(method: string, params: unknown): Promise<unknown> {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, (m) => (m.error ? reject(Object.assign(new Error(m.error.message), { error: m.error })) : resolve(m.result)));
      this.send({ id, method, params });
    });
  }

  private send(message: Message): void {
    const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
    this.child.stdin!.write(`Content-Length: ${body.length}\r\n\r\n`);
    this.child.stdin!.write(body);
  }

  private read(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    for (;;) {
      const head = this.rest.indexOf("\r\n\r\n");
      if (head < 0) return;
      const length = Number(/Content-Length: (\d+)/i.exec(this.rest.toString("latin1", 0, head))![1]);
      if (this.rest.length < head + 4 + length) return;
      const m = JSON.parse(this.rest.toString("utf8", head + 4, head + 4 + length)) as Message;
      this.rest = this.rest.subarray(head + 4 + length);
      if (m.method && m.id !== undefined) this.send({ id: m.id, result: null });
      else if (m.method) this.onNotification(m.method, m.params);
      else this.waiting.get(m.id!)?.(m);
    }
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    await this.request("shutdown", null).catch(() => undefined);
    this.send({ method: "exit" });
    await gone;
    rmSync(this.home, { recursive: true, force: true });
  }
}
