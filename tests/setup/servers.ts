/**
 * Before the browser tests: builds the page of the worker tests, with the tiny world of random weights and two shipped ones beside it, and
 * serves it and the real page, which `npm run build` has made.
 */
import { cpSync, existsSync } from "node:fs";
import { build } from "vite";
import type { TestProject } from "vitest/node";
import { servePage } from "./preview";

const PUBLIC = ".cache/browser/public";
const CLIENT_PAGE = ".cache/browser/page";

declare module "vitest" {
  export interface ProvidedContext {
    /** Addresses: of the built page, ending in a slash, and of the page of the worker tests. */
    pages: { readonly built: string; readonly client: string };
  }
}

export default async function serve(project: TestProject): Promise<() => Promise<void>> {
  if (!existsSync("dist/index.html")) throw new Error("No built page: run `npm run build` first.");
  cpSync("tests/goldens/tiny-world", `${PUBLIC}/worlds/tiny`, { recursive: true });
  for (const name of ["pong", "doom-hall"]) {
    cpSync(`assets/worlds/${name}`, `${PUBLIC}/worlds/${name}`, { recursive: true });
  }
  await build({
    logLevel: "warn",
    publicDir: PUBLIC,
    build: { outDir: CLIENT_PAGE, emptyOutDir: true, rollupOptions: { input: "tests/browser/client.html" } },
  });
  const built = await servePage();
  const client = await servePage(CLIENT_PAGE);
  project.provide("pages", { built: built.url, client: `${client.url}tests/browser/client.html` });
  return async () => {
    await Promise.all([built.close(), client.close()]);
  };
}
