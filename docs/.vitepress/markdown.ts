/** What the site reads otherwise in its Markdown than the repository's host. */
import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import type { MarkdownRenderer } from "vitepress";
import { pageOf, ROOT, targetOf } from "./pages.ts";

const { repository } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as { repository?: string };

/**
 * Links are written for a reader of the repository. On the site those to pages lead to pages; those to sources lead to
 * the repository where `package.json` names one, and are plain text where it doesn't.
 */
export function rewriteLinks(markdown: MarkdownRenderer): void {
  markdown.core.ruler.push("repository-links", (state) => {
    const { realPath, path } = state.env as { realPath?: string; path: string };
    const from = relative(ROOT, realPath ?? path);
    const inline = state.tokens.flatMap((token) => token.children ?? []);
    let unlinked = false;
    for (const token of inline) {
      if (token.type === "link_close" && unlinked) {
        token.tag = "span";
        unlinked = false;
      }
      if (token.type !== "link_open") continue;
      const target = targetOf(from, token.attrGet("href") ?? "");
      if (!target) continue;
      const page = pageOf(target.path) ?? pageOf(`${target.path}/README.md`);
      if (page) token.attrSet("href", `/${page}${target.anchor}`);
      else if (!existsSync(ROOT + target.path))
        continue; // the generator refuses it
      else if (repository) token.attrSet("href", `${repository}/blob/main/${target.path}${target.anchor}`);
      else {
        unlinked = true;
        token.tag = "span";
        token.attrs = [["title", target.path]];
        token.type = "source_open"; // the generator looks at links only
      }
    }
  });
}

/** A heading without a text is none: readers of screens would hear an empty one. */
export function unheadEmptyCells(markdown: MarkdownRenderer): void {
  markdown.core.ruler.push("empty-headings", ({ tokens }) => {
    for (const [at, token] of tokens.entries()) {
      const end = tokens[at + 2];
      if (token.type !== "th_open" || tokens[at + 1]?.content || !end) continue;
      token.tag = "td";
      end.tag = "td";
    }
  });
}

/** Drawings in plain text are wider than a phone: the keyboard has to reach them to scroll. */
export function focusDrawings(markdown: MarkdownRenderer): void {
  markdown.renderer.rules.code_block = (tokens, at) =>
    `<pre v-pre tabindex="0"><code>${markdown.utils.escapeHtml(tokens[at]?.content ?? "")}</code></pre>\n`;
}
