// A client of the Agent Client Protocol made with its own TypeScript library, whose
// generated schemas check every message that it takes: client.mjs LIBRARY FOLDER
// COMMAND ARGUMENT…  It holds one session and writes what it saw as JSON.
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { Readable, Writable } from "node:stream";

const [library, folder, command, ...args] = process.argv.slice(2);
const acp = await import(pathToFileURL(`${library}/dist/v1/stable/acp.js`));
const agent = spawn(command, args, { cwd: folder, stdio: ["pipe", "pipe", "inherit"] });
const stream = acp.ndJsonStream(Writable.toWeb(agent.stdin), Readable.toWeb(agent.stdout));
const seen = { updates: [], permissions: 0, written: {} };

const app = acp
  .client({ name: "test" })
  .onNotification(acp.methods.client.session.update, (context) => {
    seen.updates.push(context.params.update);
  })
  .onRequest(acp.methods.client.session.requestPermission, (context) => {
    seen.permissions++;
    const once = context.params.options.find((option) => option.kind === "allow_once");
    return { outcome: { outcome: "selected", optionId: once.optionId } };
  })
  .onRequest(acp.methods.client.fs.readTextFile, (context) => ({ content: readFileSync(context.params.path, "utf8") }))
  .onRequest(acp.methods.client.fs.writeTextFile, (context) => {
    seen.written[context.params.path] = context.params.content;
    writeFileSync(context.params.path, context.params.content);
    return {};
  });

await app.connectWith(stream, async (connection) => {
  const { agent: methods } = acp.methods;
  const initialized = await connection.request(methods.initialize, {
    protocolVersion: acp.PROTOCOL_VERSION,
    clientCapabilities: { fs: { readTextFile: true, writeTextFile: true } },
  });
  seen.version = initialized.protocolVersion;
  const { sessionId } = await connection.request(methods.session.new, { cwd: folder, mcpServers: [] });
  const prompt = async (text) => (await connection.request(methods.session.prompt, { sessionId, prompt: [{ type: "text", text }] })).stopReason;
  seen.stop = await prompt("Go");
  const live = seen.updates.length;
  const waiting = prompt("Think");
  while (!seen.updates.some((u) => u.content?.text === "I begin")) await new Promise((resume) => setImmediate(resume));
  await connection.notify(methods.session.cancel, { sessionId });
  seen.cancelled = await waiting;
  await connection.request(methods.session.close, { sessionId });
  const before = seen.updates.length;
  await connection.request(methods.session.load, { sessionId, cwd: folder, mcpServers: [] });
  seen.replayed = seen.updates.slice(before).map((u) => u.sessionUpdate);
  seen.live = seen.updates.slice(0, live).map((u) => u.sessionUpdate);
  seen.listed = (await connection.request(methods.session.list, {})).sessions.map((s) => s.sessionId === sessionId);
  await connection.request(methods.session.setMode, { sessionId, modeId: "never" });
  await connection.request(methods.session.delete, { sessionId });
  delete seen.updates;
});
agent.stdin.end();
seen.exit = await new Promise((resolve) => (agent.exitCode === null ? agent.on("exit", resolve) : resolve(agent.exitCode)));
console.log(JSON.stringify(seen));
