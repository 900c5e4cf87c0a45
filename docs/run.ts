/**
 * `npm run docs`: builds the site and serves it; `npm run docs -- build` only builds it, into `docs/dist`, which any static
 * host can serve from any folder; `npm run docs -- dev` serves the sources and shows changes as they are saved.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { preview, build as viteBuild } from "vite";
import { run } from "../tests/setup/command.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const OUT = join(ROOT, "docs/dist");
const PORT = 4174;

/** Without these the live worlds still play, on one thread. */
const isolation = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** Who only plays has no need of the generators: they are a workspace, installed when they are first asked for. */
function install(): void {
  if (["node_modules", "docs/node_modules"].some((folder) => existsSync(join(ROOT, folder, "vitepress")))) return;
  console.log("Installing what builds the docs (once) …");
  if (!run("npm", ["install", "--workspaces", "--include-workspace-root", "--no-save", "--no-audit", "--no-fund"])) {
    throw new Error("npm could not install the docs' workspace, see above.");
  }
}

async function prepare(): Promise<typeof import("vitepress")> {
  install();
  const { generate, PUBLIC } = await import("./generate/all");
  await generate();
  await viteBuild({ logLevel: "warn", build: { outDir: join(PUBLIC, "play"), emptyOutDir: true } });
  return import("vitepress");
}

async function build(): Promise<void> {
  const { build: buildSite } = await prepare();
  rmSync(OUT, { recursive: true, force: true });
  await buildSite("docs");
  const pages = readdirSync(OUT, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".html"));
  console.log(`${pages.length} pages in docs/dist`);
}

async function serve(): Promise<void> {
  await build();
  const options = { host: "127.0.0.1", port: Number(process.env.PORT ?? PORT), headers: isolation };
  const server = await preview({ configFile: false, appType: "mpa", build: { outDir: OUT }, preview: options });
  server.printUrls();
}

async function dev(): Promise<void> {
  const { createServer } = await prepare();
  const server = await createServer("docs", { port: Number(process.env.PORT ?? PORT) });
  await server.listen();
  server.printUrls();
}

process.chdir(ROOT);
const commands = { serve, build, dev };
const name = process.argv[2] ?? "serve";
if (Object.hasOwn(commands, name)) await commands[name as keyof typeof commands]();
else {
  console.error(`error: expected serve, build or dev, got "${name}"`);
  process.exitCode = 2;
}
