/** The webview's entry. */
import { render } from "preact";
import "./icons.css";
import "./style.css";
import { App } from "./app";
import { Store } from "./store";

const store = new Store();

/** Links and the buttons of code blocks are plain HTML from markdown.ts: one listener serves them all. */
document.addEventListener("click", (e) => {
  const target = e.target as HTMLElement;
  const link = target.closest<HTMLAnchorElement>("a");
  if (link) {
    e.preventDefault();
    const { file, line, end, url } = link.dataset;
    if (url !== undefined) void store.try(store.host.ask("openLink", { url }));
    else if (file !== undefined) {
      const id = store.conversation?.id;
      void store.try(
        store.host.ask("openFile", { uri: file, ...(line && { line: Number(line) }), ...(end && { endLine: Number(end) }), ...(id && { id }) }),
      );
    }
    return;
  }
  const button = target.closest<HTMLElement>("[data-do]");
  const code = button?.closest(".code");
  if (!button || !code) return;
  const text = code.querySelector("pre")?.textContent ?? "";
  if (button.dataset.do === "copy") store.copy(text);
  else void store.try(store.host.ask("insertCode", { text, language: (code as HTMLElement).dataset.language ?? "" }));
});

render(<App store={store} />, document.getElementById("app")!);
