/** Worlds from elsewhere in the built page: from another host, from a file; asked for once, pinned, remembered if wanted. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { folderSource } from "../../src/model/folder-source";
import { packZip, readWhole } from "../../src/model/pack";
import { usePages } from "../setup/pages";

const folder = fileURLToPath(new URL("../goldens/tiny-world", import.meta.url));
const { files, opened } = await readWhole(folderSource(folder));
/** A title that would run, were it markup. */
const text = new TextDecoder()
  .decode(files.get("world.json"))
  .replace("Tiny world", "<img src=x onerror=window.evil=1>");
const zip = packZip(new Map([...files, ["world.json", new Uint8Array(new TextEncoder().encode(text))]]));
const { sha256Hex } = await import("../../src/model/hash");
const sha256 = await sha256Hex(new Uint8Array(new TextEncoder().encode(text)));

const asked: string[] = [];
const host = createServer(({ url }, response) => {
  asked.push(url ?? "");
  if (!url?.startsWith("/closed/")) response.setHeader("Access-Control-Allow-Origin", "*");
  if (url?.startsWith("/folder/")) response.end(files.get(url.slice(8)));
  else response.end(zip);
});
let at: string;

beforeAll(async () => {
  await new Promise<void>((listening) => host.listen(0, "127.0.0.1", listening));
  at = `http://127.0.0.1:${(host.address() as AddressInfo).port}`;
});
afterAll(async () => {
  host.closeAllConnections();
  host.close();
});
const pages = usePages(); // after the host, which is shut last

async function openPage(hash: string): Promise<Page> {
  asked.length = 0;
  // From the beginning on a chooser is the test's, however soon it comes.
  return pages.open(hash, async (page) => page.on("filechooser", () => undefined));
}
const asks = (page: Page) => page.waitForSelector("#sheet[open]");
const agree = (page: Page) => page.click('#sheet button:text("Open it")');
const plays = (page: Page) =>
  page.waitForFunction(
    () => document.body.dataset.worldloopState === "running" && Number(document.body.dataset.tick) > 2,
  );
const refusal = async (page: Page) => {
  await page.waitForSelector('[data-worldloop-state="error"]', { state: "attached" });
  return page.textContent("#alert");
};
const hashOf = (page: Page) => page.evaluate(() => new URLSearchParams(location.hash.slice(1)).get("sha256"));

test("asks before it contacts the host, then plays, pins the hash, and runs nothing of it", async () => {
  const page = await openPage(`#package=${at}/w.zip`);
  await asks(page);
  expect(asked).toEqual([]);
  expect(await page.textContent("#sheet")).toContain(`Open a world from ${new URL(at).host}?`);
  await agree(page);
  await plays(page);
  expect(await hashOf(page)).toBe(sha256);
  expect(await page.title()).toContain("<img src=x");
  expect(await page.evaluate(() => ["evil" in window, document.querySelectorAll("img").length])).toEqual([false, 0]);
  await page.click("#share");
  expect(new URL(await page.inputValue("#link")).hash).toContain(`sha256=${sha256}`);
  await page.reload(); // in the same tab it isn't asked again
  await plays(page);
});

test("a folder on a host plays as well; what is remembered opens without asking and without the host", async () => {
  const address = `#package=${at}/folder/&sha256=${opened.sha256}`;
  const page = await openPage(address);
  await asks(page);
  await page.check("#sheet input[type=checkbox]");
  await agree(page);
  await plays(page);
  const another = await openPage(address);
  await plays(another);
  expect(asked).toEqual([]);
  await another.click("#about");
  await another.click("#sheet button:text('Forget it')");
  await asks(await openPage(address));
});

test("another package than the link's, a host that lets nobody read, plain http, and a no: refused, each in words", async () => {
  const wrong = await openPage(`#package=${at}/w.zip&sha256=${"0".repeat(64)}`);
  await asks(wrong);
  await agree(wrong);
  expect(await refusal(wrong)).toContain(`expected sha256 ${"0".repeat(64)}, got ${sha256}`);

  const closed = await openPage(`#package=${at}/closed/w.zip`);
  await asks(closed);
  await agree(closed);
  expect(await refusal(closed)).toContain("Access-Control-Allow-Origin");

  expect(await refusal(await openPage("#package=http://example.org/w.zip"))).toContain("expected https://");

  const no = await openPage(`#package=${at}/w.zip`);
  await asks(no);
  await no.keyboard.press("Escape");
  expect(await refusal(no)).toContain("as you chose");
  expect(asked).toEqual([]);
});

test("a file is opened by keyboard and named in the address; its link asks whoever opens it for the file", async () => {
  const page = await openPage(`#package=w.zip&sha256=${sha256}`);
  await asks(page);
  const file = { name: "w.zip", mimeType: "application/zip", buffer: Buffer.from(zip) };
  await page.setInputFiles("#foreign-file", file);
  await plays(page);

  await page.locator("#open-file").focus();
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
  await chooser.setFiles({ ...file, name: "notes.zip", buffer: Buffer.from("none") });
  await page.waitForSelector("#sheet[open] >> text=expected a zip");
  await page.keyboard.press("Escape");
  await plays(page);
  await page.locator("#open-file").focus();
  const [again] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
  await again.setFiles({ ...file, name: "mine.zip" });
  await page.waitForSelector('#sheet[open] >> text="Says it is"');
  await agree(page);
  await page.waitForFunction(() => location.hash.includes("package=mine.zip"));
  await plays(page);
  expect(await hashOf(page)).toBe(sha256);
});

test("the worker that runs foreign graphs may fetch nothing from elsewhere", async () => {
  const page = await openPage("#world=pong");
  await plays(page);
  const [worker] = await page.evaluate(() =>
    performance.getEntriesByType("resource").flatMap(({ name }) => (name.includes("model.worker") ? [name] : [])),
  );
  const policy = (await fetch(worker ?? "")).headers.get("content-security-policy");
  expect(policy).toContain("connect-src 'self';");
});
