/** The built page on a plain host, in a folder, without any headers: kept, updated, mended and deleted on the device. */
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { usePages } from "../setup/pages";
import { type PlainHost, startPlainHost } from "../setup/plain-host";

let host: PlainHost;

beforeEach(async () => {
  host = await startPlainHost(); // a port of its own: nothing is kept for it yet
});
afterEach(() => host.shut());
const pages = usePages({ serviceWorkers: "allow" }); // after the host, which is shut last

const visit = (rest = "#world=tiny"): Promise<Page> => pages.visit(host.url + rest);

const plays = async (page: Page) => {
  await page.waitForSelector('[data-worldloop-state="running"]');
  await page.waitForFunction(() => Number(document.body.dataset.tick) > 2);
};

/** Hashes of the packages that are kept whole. */
const kept = (page: Page) =>
  page.evaluate(async () => {
    const names = (await caches.keys()).filter((name) => name.startsWith("worldloop-package-"));
    const whole = names.map(async (name) => {
      const requests = await (await caches.open(name)).keys();
      return requests.some(({ url }) => url.endsWith("/world.json")) ? [name.replace("worldloop-package-", "")] : [];
    });
    return (await Promise.all(whole)).flat();
  });

/** The first visit, until the page and its world are kept. */
async function visitAndKeep(): Promise<Page> {
  const page = await visit();
  await plays(page);
  await expect.poll(() => kept(page), { timeout: 60_000 }).toHaveLength(1);
  await page.evaluate(() => navigator.serviceWorker.ready);
  return page;
}

const settings = async (page: Page) => {
  await page.getByRole("button", { name: "Settings" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.waitFor(); // it loads when it is first opened
  return dialog;
};

it("plays without a network after one visit, isolated by its service worker, and says what isn't on the device", async () => {
  const first = await visitAndKeep();
  expect(await first.evaluate(() => crossOriginIsolated)).toBe(false);
  await first.getByRole("button", { name: "About" }).click();
  expect(await first.getByRole("dialog").textContent()).toContain("Not isolated yet: one thread runs.");
  const paths = host.asked();
  const downloads = paths.filter((path) => path.endsWith("tick.onnx"));
  expect(downloads).toHaveLength(1); // kept from what the worker had read
  expect(paths.indexOf("service-worker.js")).toBeGreaterThan(paths.indexOf("worlds/tiny/tick.onnx"));
  await first.close();
  await host.shut();

  const page = await visit("?engine=own&threads=2#world=tiny");
  await plays(page);
  expect(await page.evaluate(() => window.worldloop?.world.backend.threads)).toBe(2);
  await page.getByRole("button", { name: "About" }).click();
  expect(await page.getByRole("dialog").textContent()).toContain("Isolated by this page's service worker");
  await page.keyboard.press("Escape");
  expect(pages.said.filter((line) => line.startsWith("uncaught"))).toEqual([]);

  const elsewhere = await visit("#world=other");
  await elsewhere.waitForSelector('[data-worldloop-state="error"]');
  const alert = await elsewhere.locator("#alert").textContent();
  expect(alert).toContain("Not on this device");
  expect(alert).toContain("There is no connection to the world other");
});

it("announces a new version, leaves the running page alone, and starts it when asked", async () => {
  const page = await visitAndKeep();
  const versionOf = () => page.locator('meta[name="worldloop-version"]').getAttribute("content");
  const old = (await versionOf()) ?? "";
  const changed = old.replace(/./, (digit) => (digit === "0" ? "1" : "0"));
  for (const path of ["index.html", "service-worker.js"]) {
    host.instead.set(path, readFileSync(`dist/${path}`, "utf8").replaceAll(old, changed));
  }
  const lazy = /settings-sheet-[\w-]+\.js/.exec(readFileSync("dist/service-worker.js", "utf8"))?.[0] ?? "";
  await page.evaluate(async () => (await navigator.serviceWorker.ready).update());
  await page.getByText("A new version is there").waitFor();
  host.instead.set(`assets/${lazy}`, null); // the new deployment has no such file
  expect(await versionOf()).toBe(old);
  await settings(page); // loads what only the old version has
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Reload the page" }).click();
  await expect.poll(versionOf, { timeout: 30_000 }).toBe(changed);
  await plays(page);
  expect(await page.getByText("A new version is there").count()).toBe(0);
});

it("never lets a newer manifest meet an older graph, and forgets the older version once the newer is kept", async () => {
  const page = await visitAndKeep();
  const [old] = await kept(page);
  const manifest = JSON.parse(readFileSync("tests/goldens/tiny-world/world.json", "utf8"));
  const newer = { ...manifest, title: "Tiny, anew", files: { ...manifest.files } };
  newer.files["tick.onnx"] = { ...manifest.files["tick.onnx"], sha256: "0".repeat(64) };
  host.instead.set("worlds/tiny/world.json", JSON.stringify(newer));
  await page.reload();
  await page.waitForSelector('[data-worldloop-state="error"]');
  expect(await page.locator("#alert").textContent()).toContain("FileMismatchError");
  await host.shut();
  await page.reload();
  await plays(page); // the older manifest with its own graph
  expect(await page.evaluate(() => window.worldloop?.world.packageSha256)).toBe(old);
  await host.open();
  host.instead.set("worlds/tiny/world.json", JSON.stringify({ ...manifest, title: "Tiny, anew" }));
  await page.reload();
  await plays(page);
  const sha256 = await page.evaluate(() => window.worldloop?.world.packageSha256);
  expect(sha256).not.toBe(old);
  await expect.poll(() => kept(page), { timeout: 30_000 }).toEqual([sha256]);
});

it("notices a damaged copy by its hash and fetches that file anew", async () => {
  const page = await visitAndKeep();
  const damage = () =>
    page.evaluate(async () => {
      const [name = ""] = (await caches.keys()).filter((name) => name.startsWith("worldloop-package-"));
      const cache = await caches.open(name);
      const request = (await cache.keys()).find(({ url }) => url.includes("tick.onnx"));
      const response = request && (await cache.match(request));
      if (!request || !response) throw new Error("no graph is kept");
      const bytes = new Uint8Array(await response.arrayBuffer());
      bytes.set([(bytes[99] ?? 0) ^ 1], 99);
      await cache.put(request, new Response(bytes));
    });
  await damage();
  host.asked();
  await page.reload();
  await plays(page);
  expect(host.asked().filter((path) => path.endsWith("tick.onnx"))).toHaveLength(1);
  await expect.poll(() => kept(page)).toHaveLength(1);
  const isMended = () =>
    page.evaluate(async () => {
      for (const name of await caches.keys()) {
        if (!name.startsWith("worldloop-package-")) continue;
        for (const request of await (await caches.open(name)).keys())
          if (request.url.includes("tick.onnx")) return true;
      }
      return false;
    });
  await expect.poll(isMended, { timeout: 30_000 }).toBe(true);
  await host.shut();
  await page.reload();
  await plays(page);
});

it("lists what is kept with its size, and deletes it", async () => {
  const page = await visitAndKeep();
  const [sha256 = ""] = await kept(page);
  const sheet = await settings(page);
  const row = sheet.getByRole("listitem");
  const title = await page.evaluate(() => window.worldloop?.world.manifest.title ?? "");
  const text = (await row.textContent()) ?? "";
  expect(text).toContain(title);
  expect(text).toContain(sha256.slice(0, 12));
  expect(text).toMatch(/\d+ kB|\d+\.\d MB/);
  await sheet.getByRole("button", { name: `Delete ${title}` }).click();
  await sheet.getByText("are free again").waitFor();
  expect(await row.count()).toBe(0);
  expect(await kept(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await plays(page); // what is open goes on

  await page.evaluate(async () => {
    const details = encodeURIComponent(JSON.stringify({ title: "From elsewhere" }));
    const zip = new Response(new Uint8Array(2_000_000), { headers: { "x-worldloop-details": details } });
    await (await caches.open("worldloop:foreign-worlds")).put("foreign/abcdef", zip);
  });
  await settings(page);
  await sheet.getByText("2.0 MB").waitFor();
  await sheet.getByRole("button", { name: "Delete From elsewhere" }).click();
  await sheet.getByText("2.0 MB are free again").waitFor();
});

it("plays where there is no room, and says that it couldn't be kept", async () => {
  const page = await visit();
  const session = await pages.browser.newCDPSession(page);
  const { origin } = new URL(host.url);
  await plays(page);
  await expect.poll(() => kept(page), { timeout: 60_000 }).toHaveLength(1);
  await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1000 });
  await page.evaluate(async () => {
    for (const name of await caches.keys()) if (name.startsWith("worldloop-package-")) await caches.delete(name);
  });
  await page.reload();
  await page.getByText("can't be kept for offline use").waitFor();
  await plays(page);
  const unkept = page.getByRole("region", { name: "This session isn't kept in the browser" });
  await unkept.getByText("There is no room left. Save it as a file, under Sessions.").waitFor();
  expect(await kept(page)).toEqual([]);
  await session.send("Storage.overrideQuotaForOrigin", { origin });
});
