/**
 * What the extension host and the webview say to each other.
 *
 * The host owns the language client and everything that only an editor can do. The view owns the fold: it is given the server's
 * notifications as they are, and asks the server through the host. Nothing else is shared, so a view that was killed is the same again
 * after `ready` and `init`.
 */

/** ServerState is what the host knows of the server's process. */
export interface ServerState {
  /**
   * starting: the process is being started or has not answered `initialize`; running: it has; stopped: it ended, and is not being
   * started again; missing: no binary was found; mismatch: the binary speaks another version; failed: it could not be started.
   */
  state: "starting" | "running" | "stopped" | "missing" | "mismatch" | "failed";
  /** The server's version, once it runs. */
  version?: string;
  /** What happened, in one sentence. */
  message?: string;
  /** What the user can do about it. */
  remedy?: string;
}

/** Folder is a workspace folder of the window. */
export interface Folder {
  /** A file: URI without a slash at its end. */
  uri: string;
  name: string;
}

/** Position and Range are LSP's: lines and UTF-16 characters counted from 0. */
export interface Position {
  line: number;
  character: number;
}
export interface Range {
  start: Position;
  end: Position;
}

/**
 * Share is one thing that can be sent along with a message. It is what `conversation/sendMessage` takes as content, and what the view
 * shows as a chip.
 */
export type Share =
  | { type: "file"; uri: string; range?: Range; text?: string }
  | { type: "selection"; uri: string; range: Range; text: string }
  | { type: "diagnostics"; uri: string; items: Diagnostic[] }
  | { type: "image"; url: string; name?: string };

/** Diagnostic is LSP's, as far as a model reads it. */
export interface Diagnostic {
  range: Range;
  severity?: number;
  source?: string;
  code?: string | number;
  message: string;
}

/** Context is what the editor offers to send along, by what is open and selected now. The view shows it as chips that can be taken away. */
export interface Context {
  file?: { uri: string; languageId?: string };
  selection?: { uri: string; range: Range; text: string };
  problems?: { uri: string; items: Diagnostic[] };
}

/** Setup is what a first run still needs. */
export interface Setup {
  /** The model that a new conversation would use; "" if none is configured. */
  model: string;
  /** Whether a key for that model is at hand, or it needs none. */
  key: boolean;
  /** Whether a folder is open. */
  folder: boolean;
  /** Whether the window is trusted; nothing is run before. */
  trusted: boolean;
  /** The confirmation policy of new conversations, OpenHands' object. */
  policy?: unknown;
}

/** Theme is the kind of the editor's colour theme. */
export type Theme = "dark" | "light" | "hc" | "hc-light";

/** ServerError is a JSON-RPC error as it came, or one of the host's own with the code 0. */
export interface ServerError {
  code: number;
  message: string;
  data?: { kind?: string; [field: string]: unknown };
}

/** Methods that the view may ask of the server. The host answers any other with an error and sends nothing. */
export const relayed = [
  "conversation/create",
  "conversation/open",
  "conversation/list",
  "conversation/state",
  "conversation/events",
  "conversation/sendMessage",
  "conversation/unsend",
  "conversation/run",
  "conversation/pause",
  "conversation/interrupt",
  "conversation/confirm",
  "conversation/answer",
  "conversation/rejectPendingActions",
  "conversation/setConfirmationPolicy",
  "conversation/switchModel",
  "conversation/condense",
  "conversation/askAgent",
  "conversation/generateTitle",
  "conversation/update",
  "conversation/fork",
  "conversation/navigate",
  "conversation/branches",
  "conversation/blob",
  "conversation/changes",
  "conversation/keepChanges",
  "conversation/undoChanges",
  "agent/skills",
  "agent/models",
] as const;
export type Relayed = (typeof relayed)[number];

/** FoundFile is one answer of findFiles. */
export interface FoundFile {
  uri: string;
  /** The path inside its workspace folder, with the folder's name before it in a window with several. */
  path: string;
}

/** Asks are what only an editor can do, by their verb: what the view gives, and what it gets. `null` is "the user chose nothing". */
export interface Asks {
  /** Files by a part of their path, best first; `query` may be empty. */
  findFiles: { give: { query: string; limit: number; folder?: string }; get: FoundFile[] };
  /** Lines count from 1. `uri` is a file: URI or a path that is absolute or inside the conversation's workspace. */
  openFile: { give: { uri: string; line?: number; endLine?: number; id?: string }; get: null };
  /** The file before what is not kept, against the file now. */
  openDiff: { give: { id: string; uri: string; line?: number }; get: null };
  /** What an action that waits would do to a file, from the `diff` of its pending action. */
  openProposed: { give: { id: string; requestId: string; actionId: string }; get: null };
  openTerminal: { give: { id: string }; get: null };
  openTranscript: { give: { id: string }; get: null };
  /** A native picker. With an id the host switches that conversation's model; without, the model of new ones. */
  pickModel: { give: { id?: string }; get: { model: string } | null };
  pickPolicy: { give: { id?: string }; get: { policy: unknown } | null };
  /** The folder of a new conversation. */
  pickFolder: { give: Record<string, never>; get: { uri: string } | null };
  openFolder: { give: Record<string, never>; get: null };
  /**
   * Makes a conversation with the settings of the window (model, policy, tools); `folder` is its workspace, else the host asks where
   * there are several. The host then sends `show` with its id.
   */
  newConversation: { give: { folder?: string; title?: string }; get: { id: string } | null };
  /** Tells which conversation is on screen; the host sends its notifications from now on, and no others' but listChanged. */
  showConversation: { give: { id: string | null }; get: null };
  /** Asks the user first; the conversation is gone when the answer is true. */
  deleteConversation: { give: { id: string; title: string }; get: boolean };
  renameConversation: { give: { id: string; title: string }; get: { title: string } | null };
  exportConversation: { give: { id: string }; get: null };
  /** Images as data: URLs. */
  pickImages: { give: Record<string, never>; get: Array<{ url: string; name: string }> };
  /** Reads one file that was dropped on the view: an image as a data: URL, else only the URI. */
  readDropped: { give: { uri: string }; get: Share | null };
  /** Asks for a key and stores it; true if there is one now. */
  setKey: { give: { provider?: string }; get: boolean };
  /** Starts a conversation with the demo model, that needs no key. */
  tryDemo: { give: Record<string, never>; get: { id: string } | null };
  showLog: { give: Record<string, never>; get: null };
  restartServer: { give: Record<string, never>; get: null };
  openSettings: { give: { query?: string }; get: null };
  openWalkthrough: { give: Record<string, never>; get: null };
  /** At the cursor of the last editor that had focus, in one undo step. */
  insertCode: { give: { text: string; language?: string }; get: null };
  copy: { give: { text: string }; get: null };
  /** An http(s) or mailto link, in the browser. */
  openLink: { give: { url: string }; get: null };
  /** The same view in an editor tab. */
  openInEditor: { give: { id: string | null }; get: null };
  manageTrust: { give: Record<string, never>; get: null };
}
export type Verb = keyof Asks;

/** ViewMessage is what the webview sends. `seq` is answered by a reply with the same one. */
export type ViewMessage =
  /** The view has loaded (also after it was killed or reloaded) and wants `init`. */
  | { type: "ready" }
  | { type: "request"; seq: number; method: Relayed; params: unknown }
  | { [V in Verb]: { type: "ask"; seq: number; verb: V; params: Asks[V]["give"] } }[Verb]
  /** What the status bar, the title of the tab and `when` clauses are made of. */
  | { type: "status"; id: string | null; title?: string; status?: string; pending: number; unread: number; typing: boolean }
  /** A failure of the view itself, for the log channel. */
  | { type: "log"; level: "info" | "warn" | "error"; text: string };

/** Init is all that a view needs to begin; what it shows of a conversation comes from `conversation/open`. */
export interface Init {
  /** The conversation to show, `null` for none; `undefined` leaves it to what the view saved itself. */
  id?: string | null;
  folders: Folder[];
  server: ServerState;
  theme: Theme;
  setup: Setup;
  context: Context;
  settings: {
    /** Enter sends and Shift+Enter breaks the line, or Ctrl+Enter sends. */
    sendWith: "enter" | "ctrlEnter";
    /** Whether the file that is open is sent along unless its chip is taken away. */
    shareFile: boolean;
    shareSelection: boolean;
  };
  /** Where the view stands: in the side bar its buttons are native, in an editor tab they are its own. */
  place: "sidebar" | "editor";
  platform: "mac" | "other";
  /** The extension's version. */
  version: string;
}

/** HostMessage is what the extension host sends. */
export type HostMessage =
  | ({ type: "init" } & Init)
  | { type: "reply"; seq: number; result: unknown }
  | { type: "reply"; seq: number; error: ServerError }
  /** A notification of the server as it came: those of the conversation that is shown, and conversation/listChanged. */
  | { type: "notification"; method: string; params: unknown }
  | { type: "server"; server: ServerState }
  | { type: "setup"; setup: Setup }
  | { type: "context"; context: Context }
  | { type: "theme"; theme: Theme }
  | { type: "folders"; folders: Folder[] }
  | { type: "settings"; settings: Init["settings"] }
  /** Shows a conversation, or the page for a new one. */
  | { type: "show"; id: string | null }
  | { type: "command"; command: Command };

/** Command is a command of the editor that the view carries out. */
export type Command =
  | { name: "focus" }
  | { name: "newConversation" }
  | { name: "history" }
  /** Something to be sent along, from the explorer, an editor or the problems. */
  | { name: "addContext"; shares: Share[] }
  /** Text for the composer; `send` sends it at once. */
  | { name: "insertText"; text: string; send?: boolean }
  | { name: "stop" }
  | { name: "pause" }
  | { name: "resume" }
  | { name: "approve" }
  | { name: "reject" }
  | { name: "keepAll" }
  | { name: "undoAll" };
