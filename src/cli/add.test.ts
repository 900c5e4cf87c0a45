/** Worlds from elsewhere, as `worldloop pack` and `worldloop add` are called, against a host that does what hosts do. */
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { worldloop as command } from "../../tests/setup/collect";
import { openWorldNode } from "../model/node-runtime";
import type { FetchFile } from "../model/package-address";
import { type AddOptions, add } from "./add";
import { createDownload } from "./download";

const tiny = fileURLToPath(new URL("../../tests/goldens/tiny-world", import.meta.url));
const sum = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const packageSha256 = sum(readFileSync(join(tiny, "world.json")));

let folder: string;
let zip: Uint8Array;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const asked: IncomingMessage[] = [];
const server = createServer((request, response) => {
  asked.push(request);
  answer(request, response);
});
let host: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "worldloop-add-"));
  await worldloop("pack", "--world", tiny, "--out", join(folder, "tiny.zip"));
  zip = readFileSync(join(folder, "tiny.zip"));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  asked.length = 0;
  answer = (_, response) => response.end(zip);
});

const worldloop = (...parameters: string[]) => command(parameters);

const worlds = () => join(folder, "worlds");
const bring = (where: string, options: AddOptions = {}, signal = new AbortController().signal) =>
  add(where, options, { signal, progress: { show: () => undefined, end: () => undefined }, worldsFolder: worlds() });
/** Of the error; the folder of worlds is as it was before. */
async function refusal(where: string, options: AddOptions = {}): Promise<string> {
  mkdirSync(worlds(), { recursive: true });
  const before = readdirSync(worlds(), { recursive: true });
  const error = await bring(where, options).then(
    () => "",
    (error: Error) => `${error.name}: ${error.message}`,
  );
  expect(readdirSync(worlds(), { recursive: true })).toEqual(before);
  return error;
}

test("pack gives the same bytes twice, says what to share, and doesn't write over a file unless told", async () => {
  const out = join(folder, "again.zip");
  const { stdout } = await worldloop("pack", "--world", join(folder, "tiny.zip"), "--out", out);
  expect(sum(readFileSync(out))).toBe(sum(zip));
  expect(stdout).toContain(`#package=https://YOUR.HOST/again.zip&sha256=${packageSha256}`);
  const again = await worldloop("pack", "--world", tiny, "--out", out);
  expect(again).toMatchObject({ code: 2, stderr: expect.stringMatching(/got a file that is there; .*--force\n$/) });
  expect(await worldloop("pack", "--world", tiny, "--out", out, "--force")).toMatchObject({ code: 0 });
  expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
});

test.each([
  ["an address", () => `${host}/tiny.zip`],
  ["an address of a folder", () => `${host}/tiny/`],
  ["a zip", () => join(folder, "tiny.zip")],
  ["a folder", () => tiny],
])("add brings a world from %s, whole, to where it is found by name", async (_, where) => {
  rmSync(worlds(), { recursive: true, force: true });
  answer = ({ url }, response) =>
    response.end(url?.startsWith("/tiny/") ? readFileSync(join(tiny, url.slice(6))) : zip);
  expect(await bring(where(), { sha256: packageSha256 })).toContain("added tiny-world: “Tiny world”");
  expect(readdirSync(worlds())).toEqual(["tiny-world"]);
  const { world, package: opened } = await openWorldNode(join(worlds(), "tiny-world"));
  expect(opened.sha256).toBe(packageSha256);
  await world.close();
  expect(await bring(where())).toContain("is there already");
});

test("another world's place is taken only with --force, and then wholly", async () => {
  rmSync(worlds(), { recursive: true, force: true });
  cpSync(tiny, join(worlds(), "mine"), { recursive: true });
  writeFileSync(join(worlds(), "mine", "world.json"), "{}");
  writeFileSync(join(worlds(), "mine", "notes.txt"), "old");
  expect(await refusal(join(folder, "tiny.zip"), { name: "mine" })).toMatch(/^OutputError: mine: .* --force/);
  await bring(join(folder, "tiny.zip"), { name: "mine", force: true });
  expect(readdirSync(join(worlds(), "mine"))).not.toContain("notes.txt");
  expect(readdirSync(worlds())).toEqual(["mine"]);
});

test("what a killed add left behind is swept away, what another one is writing isn't", async () => {
  const [old, fresh] = [join(worlds(), ".adding-old"), join(worlds(), ".adding-new")];
  for (const path of [old, fresh]) mkdirSync(path, { recursive: true });
  utimesSync(old, 1, 1);
  await bring(tiny, { name: "swept" });
  expect(readdirSync(worlds()).filter((name) => name.startsWith("."))).toEqual([".adding-new"]);
  rmSync(fresh, { recursive: true });
});

test("a wrong hash, a bad address, a host that doesn't deliver: one error each, and nothing is there", async () => {
  const at = `${host}/tiny.zip`;
  expect(await refusal(at, { sha256: "0".repeat(64) })).toMatch(/^FileMismatchError: world.json: expected sha256 0000/);
  expect(await refusal(at, { sha256: "12" })).toMatch(/^ResetError: --sha256: expected 64 digits/);
  expect(await refusal(at, { name: "../up" })).toMatch(/^PathError: --name/);
  expect(await refusal("http://example.org/w.zip")).toMatch(/^AddressError: .*anyone could change/);
  expect(await refusal("https://me:secret@example.org/w.zip")).toMatch(/^AddressError: .*name or password/);
  expect(await refusal("ftp://example.org/w.zip")).toMatch(/^AddressError/);
  expect(await refusal("file:///etc/passwd")).toMatch(/^AddressError/);
  expect(await refusal(join(folder, "nothing.zip"))).toMatch(/^UnknownWorldError/);
  answer = (_, response) => response.writeHead(404).end();
  expect(await refusal(at)).toMatch(/^MissingFileError: .* HTTP status 404/);
  answer = (_, response) => response.end("<!doctype html><title>Sign in</title>");
  expect(await refusal(at)).toMatch(/^ArchiveError: tiny.zip: expected a zip/);
  answer = (_, response) => response.writeHead(200, { "content-length": String(2 ** 33) }).write("PK");
  expect(await refusal(at)).toMatch(/^FileMismatchError: .* got more/);
  answer = (_, response) => response.writeHead(302, { location: `${host}/round` }).end();
  expect(await refusal(at)).toMatch(/^AddressError: .*at most 10 redirects/);
  answer = (_, response) => response.writeHead(301, { location: "http://example.org/w.zip" }).end();
  expect(await refusal(at)).toMatch(/^AddressError/);
  answer = (_, response) => response.writeHead(301, { location: "file:///etc/passwd" }).end();
  expect(await refusal(at)).toMatch(/^AddressError/);
});

test("a title can't steer a terminal", async () => {
  const evil = join(folder, "evil");
  cpSync(tiny, evil, { recursive: true });
  const text = readFileSync(join(tiny, "world.json"), "utf8").replace(
    '"Tiny world"',
    '"\\u001b[2J\\u202eevil\\u009b31m"',
  );
  writeFileSync(join(evil, "world.json"), text);
  const said = await bring(evil, { name: "evil" });
  expect(said).toContain("“ [2J evil 31m”");
});

/** The zip by `createDownload`, with what it told of its progress. */
async function download(options: Parameters<typeof createDownload>[0] = {}, maxBytes = 2 ** 20) {
  const seen: [number, number][] = [];
  const fetchFile: FetchFile = createDownload({ onProgress: (loaded, of) => seen.push([loaded, of]), ...options });
  return { bytes: await fetchFile(new URL(`${host}/tiny.zip`), { maxBytes }), seen };
}

test("a redirect is followed, and a transfer that broke off goes on where it stood", async () => {
  answer = ({ url, headers }, response) => {
    if (url === "/tiny.zip") return response.writeHead(302, { location: "/moved.zip" }).end();
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
    const goesOn = headers["if-range"] === '"v1"';
    response.writeHead(goesOn ? 206 : 200, {
      etag: '"v1"',
      "content-length": String(zip.length - from),
      ...(goesOn ? { "content-range": `bytes ${from}-${zip.length - 1}/${zip.length}` } : {}),
    });
    if (goesOn) return response.end(zip.subarray(from));
    response.write(zip.subarray(0, 9000), () => response.destroy());
  };
  const { bytes, seen } = await download();
  expect(sum(bytes)).toBe(sum(zip));
  expect(seen.at(-1)).toEqual([zip.length, zip.length]);
  expect(asked.at(-1)?.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
});

test("where the host can't vouch that the file is the same, it begins anew", async () => {
  let tries = 0;
  answer = (_, response) => {
    tries += 1;
    response.writeHead(200, { "content-length": String(zip.length), etag: 'W/"weak"' });
    if (tries > 1) return response.end(zip);
    response.write(zip.subarray(0, 9000), () => response.destroy());
  };
  expect(sum((await download()).bytes)).toBe(sum(zip));
  expect(asked.map(({ headers }) => headers.range)).toEqual([undefined, undefined]);
});

test("silence ends a transfer, and so does the person", async () => {
  answer = (_, response) => response.writeHead(200, { "content-length": "999" }).write("PK");
  await expect(download({ silenceMs: 50 })).rejects.toMatchObject({ name: "MissingFileError" });
  const stop = new AbortController();
  answer = (_, response) => {
    response.writeHead(200, { "content-length": "999" }).write("PK");
    stop.abort();
  };
  await expect(bring(`${host}/tiny.zip`, {}, stop.signal)).rejects.toMatchObject({ name: "AbortedError" });
});
