/** Finds the server and asks for its version. Knows nothing of VS Code, so that it can be tested without. */
import { execFile } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** The version of the protocol that this extension speaks. */
export const protocol = 1;

/** Binary is the server and where it was found. */
export interface Binary {
  path: string;
  from: "agentRpc.path" | "AGENT_RPC_BIN" | "the extension" | "PATH";
}

/** Missing is why there is no server to start, with what helps. */
export class Missing extends Error {
  constructor(
    message: string,
    readonly remedy: string,
    readonly mismatch = false,
  ) {
    super(message);
  }
}

const install = "Install agent-rpc, or set agentRpc.path to where it is.";

function runs(path: string): boolean {
  try {
    accessSync(path, process.platform === "win32" ? constants.F_OK : constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** What [find] looks at. */
export interface Places {
  /** The setting agentRpc.path; "" if there is none. */
  setting: string;
  env: NodeJS.ProcessEnv;
  /** The folder of the extension. */
  extension: string;
}

/** Gives the server that counts: the setting, AGENT_RPC_BIN, the extension's own, PATH. Throws [Missing]; one that was named and is not there is not passed over. */
export function find({ setting, env, extension }: Places): Binary {
  const name = process.platform === "win32" ? "agent-rpc.exe" : "agent-rpc";
  if (setting) {
    const path = setting.startsWith("~/") ? join(homedir(), setting.slice(2)) : setting;
    if (!runs(path)) throw new Missing(`agentRpc.path is ${path}, which can't be run.`, "Correct the setting agentRpc.path, or remove it.");
    return { path, from: "agentRpc.path" };
  }
  const given = env["AGENT_RPC_BIN"];
  if (given) {
    if (!runs(given)) throw new Missing(`AGENT_RPC_BIN is ${given}, which can't be run.`, "Correct the variable AGENT_RPC_BIN and restart VS Code.");
    return { path: given, from: "AGENT_RPC_BIN" };
  }
  const bundled = join(extension, "bin", name);
  if (runs(bundled)) return { path: bundled, from: "the extension" };
  for (const folder of (env["PATH"] ?? "").split(delimiter)) {
    if (folder && runs(join(folder, name))) return { path: join(folder, name), from: "PATH" };
  }
  throw new Missing("The program agent-rpc was not found.", install);
}

/** Version is what `agent-rpc version --json` says. */
export interface Version {
  name: string;
  version: string;
  protocol: number;
}

/** Reads the answer to `version --json`. Throws [Missing] where it is another program or another protocol. */
export function read(stdout: string, binary: Binary): Version {
  let answer: Partial<Version> = {};
  try {
    answer = JSON.parse(stdout) as Partial<Version>;
  } catch {
    // It is told below.
  }
  if (answer.name !== "agent-rpc" || typeof answer.protocol !== "number") {
    throw new Missing(`${binary.path} (from ${binary.from}) does not answer as agent-rpc does.`, install, true);
  }
  if (answer.protocol !== protocol) {
    const older = answer.protocol < protocol;
    throw new Missing(
      `${binary.path} (from ${binary.from}) speaks version ${answer.protocol} of the protocol, and this extension version ${protocol}.`,
      older ? "Update agent-rpc, or remove agentRpc.path to use the one of the extension." : "Update the extension.",
      true,
    );
  }
  return answer as Version;
}

/** Asks a binary for its version; at most ten seconds. Throws [Missing]. */
export function check(binary: Binary, env: NodeJS.ProcessEnv): Promise<Version> {
  return new Promise((resolve, reject) => {
    execFile(binary.path, ["version", "--json"], { env, timeout: 10_000, windowsHide: true }, (err, stdout) => {
      try {
        if (err && !stdout) throw new Missing(`${binary.path} (from ${binary.from}) could not be started: ${err.message}`, install);
        resolve(read(stdout, binary));
      } catch (e) {
        reject(e);
      }
    });
  });
}
