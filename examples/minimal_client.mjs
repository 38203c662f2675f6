#!/usr/bin/env node
// A whole client of agent-rpc: minimal_client.mjs "TASK" [agent-rpc binary]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { pathToFileURL } from "node:url";

const [task, binary = "agent-rpc"] = process.argv.slice(2);
const server = spawn(binary, [], { stdio: ["pipe", "pipe", "inherit"] });
const waiting = new Map();
let lastId = 0;
let ended;
const end = new Promise((resolve) => (ended = resolve));

function send(message) {
  const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
  server.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
  server.stdin.write(body);
}

function call(method, params) {
  send({ id: ++lastId, method, params });
  return new Promise((resolve, reject) => waiting.set(lastId, { resolve, reject }));
}

function received({ id, method, params, result, error }) {
  if (method === undefined) {
    const { resolve, reject } = waiting.get(id);
    return error ? reject(new Error(error.message)) : resolve(result);
  }
  if (method === "conversation/event") console.log(params.event.kind, params.display?.title ?? "");
  if (method === "conversation/stateChanged" && params.stopReason) ended(params.stopReason);
}

let buffer = Buffer.alloc(0);
server.stdout.on("data", (chunk) => {
  buffer = Buffer.concat([buffer, chunk]);
  for (;;) {
    const header = /^Content-Length: (\d+)\r\n\r\n/.exec(buffer.toString("latin1", 0, 64));
    const size = header && header[0].length + Number(header[1]);
    if (!header || buffer.length < size) return;
    received(JSON.parse(buffer.toString("utf8", header[0].length, size)));
    buffer = buffer.subarray(size);
  }
});

const workspace = pathToFileURL(process.cwd()).href;
await call("initialize", { processId: process.pid, rootUri: workspace, capabilities: {}, initializationOptions: { agentRpc: { versions: [1], confirmation: {} } } });
send({ method: "initialized", params: {} });
const { conversation } = await call("conversation/create", {
  workspace,
  confirmationPolicy: { kind: "ConfirmRisky", threshold: "MEDIUM", confirm_unknown: true },
  securityAnalyzer: { kind: "LLMSecurityAnalyzer" },
});
await call("conversation/sendMessage", { id: conversation.id, message: task, run: true });
console.log("ended:", await end);
await call("shutdown");
send({ method: "exit" });
await once(server, "exit");
