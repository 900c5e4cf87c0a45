/** Which Markdown of the repository is a page, and where: guides in `docs/`, and what lies beside the code that it tells of. */
import { existsSync, readdirSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Path in the repository → path on the site. */
export const rewrites: Record<string, string> = {
  "python/README.md": "python.md",
  "CONTRIBUTING.md": "contributing.md",
  "training/LOG.md": "log.md",
  "examples/push_t_policy/README.md": "examples/push-t-policy.md",
  ...Object.fromEntries(
    readdirSync(`${ROOT}assets/worlds`).map((name) => [`assets/worlds/${name}/README.md`, `worlds/${name}.md`]),
  ),
};

/** Where a file of the repository is on the site; undefined when it isn't a page. */
export function pageOf(path: string): string | undefined {
  if (path in rewrites) return rewrites[path];
  return /^docs\/.*\.md$/.test(path) && existsSync(ROOT + path) ? path.slice("docs/".length) : undefined;
}

/** Everything else that the site's generator would take for a page. */
export const excluded: string[] = [
  ...readdirSync(ROOT)
    .filter((name) => !["docs", "python", "training", "examples", "assets", "CONTRIBUTING.md"].includes(name))
    .flatMap((name) => [name, `${name}/**`]),
  "assets/base/**",
  "docs/node_modules/**",
  "docs/dist/**",
  "docs/reference/measured.md", // a part of benchmarks.md
];

/** A link's target as a path in the repository; undefined for addresses and for anchors of the same page. */
export function targetOf(from: string, href: string): { path: string; anchor: string } | undefined {
  if (/^([a-z]+:|\/\/|#)/.test(href)) return undefined;
  const [path = "", anchor] = decodeURI(href).split("#");
  const full = path.startsWith("/") ? path.slice(1) : posix.join(posix.dirname(from), path);
  return { path: full.replace(/\/$/, ""), anchor: anchor === undefined ? "" : `#${anchor}` };
}
