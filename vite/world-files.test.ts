/** The page's server gives worlds as they lie in their folder now, whole files of it and nothing else. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Connect, Plugin, PreviewServer, ResolvedConfig } from "vite";
import { afterAll, beforeAll, expect, it } from "vitest";
import { worldFiles } from "./world-files";

const root = mkdtempSync(join(tmpdir(), "worldloop-files-"));
const worlds = join(root, "public/worlds");
const handlers: Connect.NextHandleFunction[] = [];
const server = createServer((request, response) => {
  const pass = (index: number) => {
    const handler = handlers[index];
    if (handler) handler(request, response, () => pass(index + 1));
    else response.writeHead(404).end("the next one's");
  };
  pass(0);
});
let url = "";

function put(name: string, text: string): void {
  mkdirSync(join(worlds, name), { recursive: true });
  writeFileSync(join(worlds, name, "world.json"), text);
}
beforeAll(async () => {
  put("mine", "old");
  writeFileSync(join(root, "secret"), "s");
  const plugin = worldFiles() as Plugin & Record<"configResolved" | "configurePreviewServer", (it: object) => void>;
  plugin.configResolved({ publicDir: join(root, "public") } as ResolvedConfig);
  const use = (handler: Connect.NextHandleFunction) => handlers.push(handler);
  plugin.configurePreviewServer({ middlewares: { use } } as unknown as PreviewServer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(root, { recursive: true });
});

it("gives the file that lies there now, and says when it is another one", async () => {
  const first = await fetch(`${url}/worlds/mine/world.json?sha256=0`);
  expect([first.headers.get("content-type"), await first.text()]).toEqual(["application/json", "old"]);
  const tag = first.headers.get("etag") ?? "";
  const again = await fetch(`${url}/worlds/mine/world.json`, { headers: { "If-None-Match": tag } });
  expect(again.status).toBe(304);
  put("mine.partial", "new");
  expect(await (await fetch(`${url}/worlds/index.json`)).json()).toEqual(["mine"]); // unfinished ones aren't listed
  renameSync(join(worlds, "mine"), join(worlds, "mine.old"));
  renameSync(join(worlds, "mine.partial"), join(worlds, "mine"));
  const head = await fetch(`${url}/worlds/mine/world.json`, { method: "HEAD" });
  expect([head.headers.get("etag") === tag, await head.text()]).toEqual([false, ""]);
  expect(await (await fetch(`${url}/worlds/mine/world.json`)).text()).toBe("new"); // of the same size
  expect(await (await fetch(`${url}/worlds/index.json`)).json()).toEqual(["mine"]);
});

it.each([
  "/worlds/%2e%2e%2f%2e%2e%2fsecret",
  "/worlds/mine/..%2f..%2f..%2fsecret",
  "/worlds/mine",
  "/worlds/%",
  "/worlds/a%00b",
  `/worlds/${"a".repeat(5000)}`,
  "/worlds/nobody/world.json",
  "/other/mine/world.json",
])("leaves %s to the next one", async (path) => {
  const response = await fetch(url + path);
  expect([response.status, await response.text()]).toEqual([404, "the next one's"]);
});

it("answers who reads, and nobody else", async () => {
  expect((await fetch(`${url}/worlds/mine/world.json`, { method: "POST", body: "x" })).status).toBe(404);
});
