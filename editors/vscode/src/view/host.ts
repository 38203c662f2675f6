/** The webview's end of messages.ts. */
import type { Asks, HostMessage, Relayed, ServerError, Verb, ViewMessage } from "../messages";
import type { ClientRequests } from "../protocol";

interface VsCodeApi {
  postMessage(message: ViewMessage): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

/** Refused is an error that the server or the host answered with. */
export class Refused extends Error {
  constructor(readonly error: ServerError) {
    super(error.message);
    this.name = "Refused";
  }
  /** `data.kind` of the protocol, such as "auth_required". */
  get kind(): string {
    return this.error.data?.kind ?? "";
  }
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export class Host {
  private api = acquireVsCodeApi();
  private seq = 0;
  private waiting = new Map<number, Waiting>();

  constructor(listen: (message: HostMessage) => void) {
    window.addEventListener("message", (e: MessageEvent<HostMessage>) => {
      const message = e.data;
      if (message?.type !== "reply") return listen(message);
      const waiting = this.waiting.get(message.seq);
      this.waiting.delete(message.seq);
      if (!waiting) return;
      if ("error" in message) waiting.reject(new Refused(message.error));
      else waiting.resolve(message.result);
    });
  }

  post(message: ViewMessage): void {
    this.api.postMessage(message);
  }

  /** Asks the server. */
  request<M extends Relayed>(method: M, params: ClientRequests[M]["params"]): Promise<ClientRequests[M]["result"]> {
    return this.send((seq) => ({ type: "request", seq, method, params })) as Promise<ClientRequests[M]["result"]>;
  }

  /** Asks for something that only an editor does. */
  ask<V extends Verb>(verb: V, params: Asks[V]["give"]): Promise<Asks[V]["get"]> {
    return this.send((seq) => ({ type: "ask", seq, verb, params }) as ViewMessage) as Promise<Asks[V]["get"]>;
  }

  private send(make: (seq: number) => ViewMessage): Promise<unknown> {
    const seq = ++this.seq;
    return new Promise((resolve, reject) => {
      this.waiting.set(seq, { resolve, reject });
      this.post(make(seq));
    });
  }

  /** What survives a reload of the view. */
  get saved(): unknown {
    return this.api.getState();
  }
  set saved(state: unknown) {
    this.api.setState(state);
  }
}
