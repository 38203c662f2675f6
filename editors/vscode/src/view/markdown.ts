/**
 * Markdown as HTML that can be put into the page: what a model writes is text of a stranger. HTML in it is shown as text, images are
 * links (nothing is fetched), links are followed by the host alone, and all of it goes through DOMPurify.
 */
import DOMPurify from "dompurify";
import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import csharp from "highlight.js/lib/languages/csharp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import dockerfile from "highlight.js/lib/languages/dockerfile";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import kotlin from "highlight.js/lib/languages/kotlin";
import lua from "highlight.js/lib/languages/lua";
import makefile from "highlight.js/lib/languages/makefile";
import php from "highlight.js/lib/languages/php";
import python from "highlight.js/lib/languages/python";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import swift from "highlight.js/lib/languages/swift";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import { Marked, type Token, type Tokens } from "marked";
import { visible, visibleProse } from "../model/visible";

const languages = {
  bash,
  c,
  cpp,
  csharp,
  css,
  diff,
  dockerfile,
  go,
  ini,
  java,
  javascript,
  json,
  kotlin,
  lua,
  makefile,
  php,
  python,
  ruby,
  rust,
  sql,
  swift,
  typescript,
  xml,
  yaml,
};
for (const [name, language] of Object.entries(languages)) hljs.registerLanguage(name, language);
hljs.registerAliases("console", { languageName: "bash" });

/** A text longer than this is shown without colours: they would hold up typing. */
const highlightLimit = 30_000;

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (ch) => `&#${ch.charCodeAt(0)};`);
}

/** Code as HTML with hljs-* classes; plain where the language is not known. */
export function highlighted(code: string, language: string): string {
  if (code.length > highlightLimit || !hljs.getLanguage(language)) return escapeHtml(code);
  return hljs.highlight(code, { language, ignoreIllegals: true }).value;
}

const languageOfName: Record<string, string> = {
  py: "python",
  ts: "typescript",
  tsx: "typescript",
  mts: "typescript",
  js: "javascript",
  jsx: "javascript",
  mjs: "javascript",
  cjs: "javascript",
  rs: "rust",
  rb: "ruby",
  sh: "bash",
  zsh: "bash",
  yml: "yaml",
  h: "c",
  hpp: "cpp",
  cc: "cpp",
  cs: "csharp",
  kt: "kotlin",
  html: "xml",
  svg: "xml",
  toml: "ini",
  mod: "go",
  jsonc: "json",
};

/** The language of a file by its name, as highlight.js calls it. */
export function languageOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  if (name === "dockerfile" || name === "makefile") return name;
  const ext = name.slice(name.lastIndexOf(".") + 1);
  return languageOfName[ext] ?? ext;
}

const filePath =
  /^(?:file:\/\/)?(\/?(?:[\w.@+~-]+\/)*[\w.@+-]+\.\w{1,10}|\/?(?:[\w.@+~-]+\/)+[\w.@+-]+)(?::(\d+)(?:[:-](\d+))?|#L(\d+)(?:-L?(\d+))?)?$/;

/** A file and lines that a text names: `src/a.go:12`. A bare word needs a folder or a line to be taken for a file. */
export function fileOf(text: string): { path: string; line?: number; endLine?: number } | undefined {
  if (text.length > 300) return undefined;
  const m = filePath.exec(text);
  if (!m?.[1]) return undefined;
  const line = m[2] ?? m[4];
  if (!m[1].includes("/") && line === undefined) return undefined;
  if (m[1].includes("/") && !/\.\w{1,10}$/.test(m[1]) && line === undefined) return undefined;
  const to = text.includes("-") ? (m[3] ?? m[5]) : undefined;
  return { path: m[1], ...(line && { line: Number(line) }), ...(to && Number(to) > Number(line) && { endLine: Number(to) }) };
}

function fileLink(file: { path: string; line?: number; endLine?: number }, inner: string): string {
  const lines = `${file.line ? ` data-line="${file.line}"` : ""}${file.endLine ? ` data-end="${file.endLine}"` : ""}`;
  return `<a href="#" data-file="${escapeHtml(file.path)}"${lines}>${inner}</a>`;
}

const marked = new Marked({ gfm: true, breaks: false, async: false });
marked.use({
  renderer: {
    html({ text }: Tokens.HTML | Tokens.Tag) {
      return escapeHtml(text);
    },
    image({ href, text }: Tokens.Image) {
      return `<a href="#" data-url="${escapeHtml(href)}">${escapeHtml(text || href)}</a>`;
    },
    link(token: Tokens.Link) {
      const inner = this.parser.parseInline(token.tokens);
      const href = token.href.trim();
      if (/^(https?:|mailto:)/i.test(href)) return `<a href="#" data-url="${escapeHtml(href)}" title="${escapeHtml(visible(href))}">${inner}</a>`;
      let path = href.replace(/^file:\/\//i, "");
      try {
        path = decodeURIComponent(path);
      } catch {
        // It stays as it is.
      }
      const file = fileOf(path) ?? (/^[\w./@+ -]+$/.test(path) ? { path } : undefined);
      return file ? fileLink(file, inner) : inner;
    },
    codespan({ text }: Tokens.Codespan) {
      const code = `<code>${escapeHtml(text)}</code>`;
      const file = fileOf(text);
      return file ? fileLink(file, code) : code;
    },
    code({ text, lang }: Tokens.Code) {
      return codeBlock(text, lang ?? "");
    },
    checkbox({ checked }: Tokens.Checkbox) {
      return `<i class="i i-${checked ? "pass" : "circle"} muted"></i> `;
    },
    heading(token: Tokens.Heading) {
      return `<h3 class="h${token.depth}">${this.parser.parseInline(token.tokens)}</h3>`;
    },
    table(token: Tokens.Table) {
      const row = (cells: Tokens.TableCell[], tag: string) =>
        `<tr>${cells.map((cell) => `<${tag}>${this.parser.parseInline(cell.tokens)}</${tag}>`).join("")}</tr>`;
      return `<div class="table"><table><thead>${row(token.header, "th")}</thead><tbody>${token.rows.map((cells) => row(cells, "td")).join("")}</tbody></table></div>`;
    },
  },
});

/** A code block with its buttons; the page's one listener knows them by `data-do`. */
function codeBlock(code: string, info: string): string {
  const language = info
    .trim()
    .split(/[\s:,{]/, 1)[0]!
    .toLowerCase();
  const file = /[\s:]([\w./-]+\.\w+)/.exec(info)?.[1];
  const label = [language, file].filter(Boolean).join(" · ");
  const button = (what: string, icon: string, title: string) =>
    `<button type="button" class="ib" data-do="${what}" title="${title}" aria-label="${title}"><i class="i i-${icon}" aria-hidden="true"></i></button>`;
  return (
    `<figure class="code" data-language="${escapeHtml(language)}"><header><span class="meta">${escapeHtml(label) || "text"}</span>` +
    `${button("copy", "copy", "Copy")}${button("insert", "insert", "Insert at the cursor")}</header>` +
    `<pre tabindex="0"><code>${highlighted(code, language)}</code></pre></figure>`
  );
}

const safe = "class title start data-file data-line data-end data-do data-language type aria-label aria-hidden tabindex".split(" ");
const allowed = {
  ALLOWED_TAGS: "p br hr em strong del s code pre a ul ol li blockquote h3 table thead tbody tr th td div span figure header button i".split(" "),
  // What is in href and data-url has to be a link; the others are no addresses.
  ALLOWED_ATTR: ["href", "data-url", ...safe],
  ADD_URI_SAFE_ATTR: safe,
  ALLOW_DATA_ATTR: false,
};

// No link leads anywhere by itself: the page's listener gives it to the host.
DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.hasAttribute("href") && node.getAttribute("href") !== "#") node.removeAttribute("href");
});

export function sanitised(html: string): string {
  return DOMPurify.sanitize(html, allowed);
}

const cache = new Map<string, string>();
const cacheSize = 600;

function blockHtml(token: Token): string {
  const key = token.raw;
  const have = cache.get(key);
  if (have !== undefined) {
    cache.delete(key);
    cache.set(key, have);
    return have;
  }
  const html = sanitised(marked.parser([token]));
  cache.set(key, html);
  if (cache.size > cacheSize) cache.delete(cache.keys().next().value!);
  return html;
}

/** A text in blocks, each as HTML: while it is written only the last one changes. */
export function blocks(text: string): string[] {
  const tokens = marked.lexer(visibleProse(text));
  // A block stands for itself, unless the text defines what its links refer to.
  const html = tokens.some((token) => token.type === "def") ? (token: Token) => sanitised(marked.parser([token])) : blockHtml;
  return tokens.filter((token) => token.type !== "space" && token.type !== "def").map(html);
}
