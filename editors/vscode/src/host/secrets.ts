/** Keys and secrets: in the editor's own store, else in the environment. The server asks for them by name; they are in no setting and no file of ours. */
import * as vscode from "vscode";

const prefix = "agentRpc.secret.";
const known = "agentRpc.secrets"; // the names that were stored, which are no secret

/** The variables of the providers that the picker offers. */
export const providers = [
  { label: "Anthropic", name: "ANTHROPIC_API_KEY" },
  { label: "OpenAI", name: "OPENAI_API_KEY" },
  { label: "OpenRouter", name: "OPENROUTER_API_KEY" },
  { label: "Google Gemini", name: "GEMINI_API_KEY" },
];

export class Secrets {
  constructor(private readonly context: vscode.ExtensionContext) {}

  /** The value of a name; undefined if there is none. */
  async get(name: string): Promise<string | undefined> {
    return (await this.context.secrets.get(prefix + name)) ?? process.env[name];
  }

  /** The names that are stored. */
  names(): string[] {
    return this.context.globalState.get<string[]>(known, []);
  }

  async set(name: string, value: string): Promise<void> {
    await this.context.secrets.store(prefix + name, value);
    await this.context.globalState.update(known, [...new Set([...this.names(), name])].sort());
  }

  async delete(name: string): Promise<void> {
    await this.context.secrets.delete(prefix + name);
    await this.context.globalState.update(
      known,
      this.names().filter((other) => other !== name),
    );
  }

  /** Asks for a key and stores it. `provider` is a provider, a variable's name, or absent to pick one. Tells whether there is one now. */
  async ask(provider?: string): Promise<boolean> {
    const name = provider ? variable(provider) : await this.pick();
    if (!name) return false;
    const value = await vscode.window.showInputBox({
      title: name,
      prompt: "The key is kept in the editor's secret store, and given to the server when it asks for it.",
      password: true,
      ignoreFocusOut: true,
      validateInput: (text) => (text && text !== text.trim() ? "There are blanks around the key." : undefined),
    });
    if (!value) return (await this.get(name)) !== undefined;
    await this.set(name, value);
    return true;
  }

  private async pick(): Promise<string | undefined> {
    const other = { label: "Another…", name: "" };
    const stored = this.names();
    const items = [...providers, other].map((item) => ({
      ...item,
      description: item.name,
      detail: stored.includes(item.name) ? "stored" : undefined,
    }));
    const picked = await vscode.window.showQuickPick(items, { title: "Which key?" });
    if (picked && !picked.name) return vscode.window.showInputBox({ title: "Name of the variable", value: "LLM_API_KEY", ignoreFocusOut: true });
    return picked?.name;
  }

  /** Picks a stored key and forgets it. */
  async askDelete(): Promise<void> {
    const names = this.names();
    if (names.length === 0) {
      void vscode.window.showInformationMessage("No key is stored in this editor.");
      return;
    }
    const name = await vscode.window.showQuickPick(names, { title: "Forget which key?" });
    if (name) await this.delete(name);
  }
}

/** The variable of a provider's key: `anthropic` and `ANTHROPIC_API_KEY` are the same. */
export function variable(provider: string): string {
  return provider.includes("_") ? provider.toUpperCase() : `${provider.toUpperCase()}_API_KEY`;
}
