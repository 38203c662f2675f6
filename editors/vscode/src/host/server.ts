/**
 * The server: one process for this window, started when it is first needed, spoken to as a language server. A process that ends by
 * itself is started again, at most five times in three minutes.
 */
import * as vscode from "vscode";
import {
  CloseAction,
  type CloseHandlerResult,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  ResponseError,
  State,
} from "vscode-languageclient/node";
import type { ServerError, ServerState } from "../messages";
import type { ClientRequests as Requests } from "../protocol";
import { type Binary, check, find, Missing, protocol } from "./binary";
import type { Secrets } from "./secrets";
import * as settings from "./settings";

/** Notification is one of the server's conversation/* notifications. */
export interface Notification {
  method: string;
  params: { id?: string } & Record<string, unknown>;
}

const notifications = ["event", "delta", "stateChanged", "requestResolved", "gap", "listChanged"].map((name) => `conversation/${name}`);

export class Server implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private starting: Promise<LanguageClient> | undefined;
  private restarts: number[] = [];
  private stopping = false;
  private readonly states = new vscode.EventEmitter<ServerState>();
  private readonly told = new vscode.EventEmitter<Notification>();
  private readonly returned = new vscode.EventEmitter<void>();

  /** The state of the process has changed. */
  readonly onState = this.states.event;
  /** The server has told something. */
  readonly onNotification = this.told.event;
  /** The server runs again after its process had ended: what is open has to be opened anew. */
  readonly onReturn = this.returned.event;

  state: ServerState = { state: "stopped" };

  constructor(
    private readonly extension: vscode.ExtensionContext,
    private readonly log: vscode.LogOutputChannel,
    private readonly secrets: Secrets,
  ) {}

  private say(state: ServerState): void {
    this.state = state;
    this.states.fire(state);
  }

  private env(): NodeJS.ProcessEnv {
    return { ...process.env, ...settings.environment() };
  }

  /** The server's program. Throws [Missing]. */
  binary(): Binary {
    return find({ setting: settings.binaryPath(), env: this.env(), extension: this.extension.extensionPath });
  }

  /** Starts the server where it does not run. Throws [Missing] or what else went wrong; the state says it too. */
  ensure(): Promise<LanguageClient> {
    if (this.client?.state === State.Running) return Promise.resolve(this.client);
    this.starting ??= this.start().finally(() => {
      this.starting = undefined;
    });
    return this.starting;
  }

  private async start(): Promise<LanguageClient> {
    this.say({ state: "starting" });
    let binary: Binary;
    try {
      binary = this.binary();
      const version = await check(binary, this.env());
      this.log.info(`agent-rpc ${version.version}, ${binary.path} (from ${binary.from})`);
      await this.client?.dispose().catch(() => undefined);
      const client = this.make(binary);
      this.client = client;
      await client.start();
      this.say({ state: "running", version: version.version });
      return client;
    } catch (e) {
      const message = e instanceof Error ? e.message : String(e);
      this.log.error(message);
      if (e instanceof Missing) this.say({ state: e.mismatch ? "mismatch" : "missing", message, remedy: e.remedy });
      else this.say({ state: "failed", message: `The server could not be started: ${message}`, remedy: "See the log, then restart the server." });
      throw e;
    }
  }

  private make(binary: Binary): LanguageClient {
    const trusted = vscode.workspace.isTrusted ? (vscode.workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath) : [];
    const options: LanguageClientOptions = {
      documentSelector: [{ scheme: "file" }],
      outputChannel: this.log,
      // A folder of its own is not watched: the server looks at the files when it needs them.
      initializationOptions: {
        agentRpc: {
          versions: [protocol],
          deltas: { maxHz: 20 },
          confirmation: {},
          input: {},
          secrets: {},
          maxEventBytes: 65_536,
          settings: { trustedWorkspaces: trusted },
        },
      },
      // Runs are shown by the view and the status bar; a second spinner would say the same.
      middleware: { handleWorkDoneProgress: () => undefined },
      initializationFailedHandler: (error) => {
        this.log.error("initialize failed", error instanceof Error ? error.message : String(error));
        return false;
      },
      errorHandler: { error: () => ({ action: ErrorAction.Continue, handled: true }), closed: () => this.closed() },
    };
    const run = { command: binary.path, options: { env: this.env(), detached: false } };
    const client = new LanguageClient("agentRpc", "Agent RPC", run, options);
    for (const method of notifications) client.onNotification(method, (params) => this.told.fire({ method, params }));
    // The view shows what waits, from the state; an answer comes by conversation/confirm or /answer.
    client.onRequest("conversation/requestConfirmation", () => null);
    client.onRequest("conversation/requestInput", () => null);
    client.onRequest("conversation/secretValue", async (params: { name: string }) => {
      const value = await this.secrets.get(params.name);
      return value ? { value } : null;
    });
    return client;
  }

  // The process has ended, and nobody asked it to.
  private closed(): CloseHandlerResult {
    if (this.stopping) return { action: CloseAction.DoNotRestart, handled: true };
    const now = Date.now();
    this.restarts = this.restarts.filter((at) => now - at < 180_000);
    this.log.error("the server's process has ended");
    if (this.restarts.length >= 5) {
      this.say({
        state: "stopped",
        message: "The server has stopped five times in three minutes; every event is on disk.",
        remedy: "See the log, then restart the server.",
      });
      return { action: CloseAction.DoNotRestart, handled: true };
    }
    this.restarts.push(now);
    this.say({ state: "starting", message: "The server's process has ended; it is started again." });
    // A client that restarts itself would not check the binary again.
    setTimeout(() => void this.again(), 100 * 2 ** (this.restarts.length - 1));
    return { action: CloseAction.DoNotRestart, handled: true };
  }

  private async again(): Promise<void> {
    try {
      await this.ensure();
      this.returned.fire();
    } catch {
      // The state says it.
    }
  }

  /** Sends a request, starting the server where it is not there. Rejects with a [ServerError]. */
  async request<M extends keyof Requests>(method: M, params: Requests[M]["params"]): Promise<Requests[M]["result"]> {
    try {
      const client = await this.ensure();
      return await client.sendRequest<Requests[M]["result"]>(method, params);
    } catch (e) {
      throw asError(e);
    }
  }

  /** Ends the process in order, and starts it again. */
  async restart(): Promise<void> {
    this.restarts = [];
    await this.stop();
    await this.again();
  }

  /** Ends the process in order; what runs is interrupted, what waits goes on waiting. */
  async stop(): Promise<void> {
    this.stopping = true;
    try {
      await this.client?.dispose(3000);
    } catch (e) {
      this.log.warn(`stopping: ${String(e)}`);
    } finally {
      this.client = undefined;
      this.stopping = false;
      this.say({ state: "stopped" });
    }
  }

  dispose(): Promise<void> {
    return this.stop();
  }
}

/** Makes a [ServerError] of whatever was thrown. */
export function asError(e: unknown): ServerError {
  if (e instanceof ResponseError) return { code: e.code, message: e.message, data: e.data as ServerError["data"] };
  if (e instanceof Missing) return { code: 0, message: `${e.message} ${e.remedy}` };
  if (typeof e === "object" && e !== null && "code" in e && "message" in e) return e as ServerError;
  return { code: 0, message: e instanceof Error ? e.message : String(e) };
}
