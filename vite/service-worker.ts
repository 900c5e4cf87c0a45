/**
 * Builds `workers/service-worker.ts` beside the page, as one script without imports, and tells it which files start the
 * page. Graphs, worlds and the WASM of onnxruntime aren't among them: they are kept when they have been used.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin, type Rolldown } from "vite";

const SCRIPT = "service-worker.js";
const SOURCE = fileURLToPath(new URL("../workers/service-worker.ts", import.meta.url));
/** Folders and files of the public folder that the page itself uses. */
const PUBLIC = /^(icons\/.*|manifest\.webmanifest)$/;

type Headers = Readonly<Record<string, string>>;

/** @param headers that the page and its workers need, for hosts that don't send them */
export function serviceWorker(headers: { readonly page: Headers; readonly worker: Headers }): Plugin {
  let publicDir = "";
  return {
    name: "worldloop:service-worker",
    apply: "build",
    enforce: "post", // the page and its workers are there by then
    configResolved(config) {
      publicDir = config.publicDir;
    },
    async generateBundle(_, bundle) {
      const page = bundle["index.html"];
      if (page?.type !== "asset") return; // not the page, but a test's
      const built = Object.keys(bundle).filter((path) => /^assets\/.*\.(js|css)$/.test(path));
      const publicFiles = readdirSync(publicDir, { recursive: true, encoding: "utf8" })
        .map((path) => path.replaceAll("\\", "/"))
        .filter((path) => PUBLIC.test(path));
      const hash = createHash("sha256").update(JSON.stringify(headers)).update(page.source);
      for (const path of built.sort()) hash.update(path); // holds the hash of its content
      for (const path of publicFiles.sort()) hash.update(path).update(readFileSync(join(publicDir, path)));
      const version = hash.digest("hex").slice(0, 16);
      page.source = String(page.source).replace(
        "</head>",
        `  <meta name="worldloop-version" content="${version}">\n  </head>`,
      );
      const site = { version, files: [...built, ...publicFiles], headers };
      this.emitFile({ type: "asset", fileName: SCRIPT, source: await bundleScript(site) });
    },
  };
}

async function bundleScript(site: object): Promise<string> {
  const results = (await build({
    configFile: false,
    logLevel: "warn",
    publicDir: false,
    define: { SITE: JSON.stringify(site) },
    build: { write: false, target: "es2022", rolldownOptions: { input: SOURCE, output: { format: "iife" } } },
  })) as Rolldown.RolldownOutput;
  return results.output[0].code;
}
