/** Guides in the built page: a camera, an image, a scene; before | after; what is refused, and that all is let go. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { folderSource } from "../../src/model/folder-source";
import { packZip, readWhole } from "../../src/model/pack";
import { usePackageHost } from "../setup/package-host";
import { usePages } from "../setup/pages";

const { files } = await readWhole(folderSource(fileURLToPath(new URL("../goldens/tiny-guide", import.meta.url))));
const manifest = files.get("world.json");
if (!manifest) throw new Error("tiny-guide: no world.json");
const withStrength = new TextDecoder().decode(manifest).replace('"name": "gas"', '"name": "strength"');
const zip = packZip(new Map([...files, ["world.json", new TextEncoder().encode(withStrength)]]));
const host = usePackageHost(zip, "tiny-guide");
const pages = usePages({ camera: "fake" });

declare global {
  interface Window {
    /** Put in by `watchTracks`. */
    tracks: MediaStreamTrack[];
  }
}

/** Keeps hold of every track that the page is given. */
const watchTracks = (page: Page) =>
  page.addInitScript(() => {
    window.tracks = [];
    for (const name of ["getUserMedia", "getDisplayMedia"] as const) {
      const ask = navigator.mediaDevices[name].bind(navigator.mediaDevices);
      navigator.mediaDevices[name] = async (wanted) => {
        const media = await ask(wanted);
        window.tracks.push(...media.getTracks());
        return media;
      };
    }
  });
const tracks = (page: Page) => page.evaluate(() => window.tracks.map(({ readyState }) => readyState));

async function open(prepare: (page: Page) => Promise<unknown> = watchTracks): Promise<Page> {
  const page = await pages.open(`#package=${host.address}`, prepare);
  await page.click('#sheet[open] button:text("Open it")');
  await page.waitForFunction(() => Number(document.body.dataset.tick) > 2);
  await page.keyboard.press("g");
  await page.waitForSelector("#guide-panel:not([hidden]) [aria-pressed]");
  return page;
}

const choose = (page: Page, name: string) => page.click(`#guide-panel button:text-is("${name}")`);
const chosen = (page: Page) => page.textContent("#guide-panel [role=group] [aria-pressed=true]");
async function chooseFile(page: Page, name: string, file: { name: string; mimeType: string; buffer: Buffer }) {
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), choose(page, name)]);
  await chooser.setFiles(file);
}

/** The next `count` guides that the world takes, each as text. */
const guides = (page: Page, count: number) =>
  page.evaluate(
    (count) =>
      new Promise<string[]>((resolve) => {
        const found: string[] = [];
        const watching = window.worldloop?.session.loop.frames.subscribe(({ guide }) => {
          if (guide) found.push(guide.join());
          if (found.length < count) return;
          watching?.unsubscribe();
          resolve(found);
        });
      }),
    count,
  );

/** Begins anew. @returns the first frame that is dreamed */
const firstFrame = (page: Page) =>
  page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        const { session } = window.worldloop ?? {};
        const watching = session?.loop.frames.subscribe(({ frame, action }) => {
          if (frame.tick !== 1 || action === null) return;
          watching?.unsubscribe();
          resolve(frame.rgba.join());
        });
        void session?.begin({ seed: 1, start: 0 });
      }),
  );

test("a webcam guides the world until it is left, by keyboard alone", async () => {
  const page = await open();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("None");
  expect(await page.isVisible("#split")).toBe(false);
  expect(await tracks(page)).toEqual([]); // nothing is asked for before it is chosen
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const seen = await guides(page, 4); // the fake camera's picture moves
  expect(new Set(seen).size).toBeGreaterThan(1);
  expect(await chosen(page)).toBe("Webcam");
  expect(await tracks(page)).toEqual(["live"]);

  const line = page.locator("#split [role=slider]");
  await line.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("PageUp");
  expect(await line.getAttribute("aria-valuenow")).toBe("62");
  expect(await line.getAttribute("aria-valuetext")).toBe("62 % before, 38 % after");
  const box = await page.locator("#split").boundingBox();
  if (!box) throw new Error("no split view");
  const view = await page.locator("#view").boundingBox();
  for (const side of ["x", "y", "width", "height"] as const) expect(box[side]).toBeCloseTo(view?.[side] ?? 0, 0);
  await page.mouse.move(box.x + 0.62 * box.width, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + 0.25 * box.width, box.y + box.height / 2);
  await page.mouse.up();
  expect(await line.getAttribute("aria-valuenow")).toBe("25");
  const steered = await page.evaluate(() => window.worldloop?.session.actions().some(([steer]) => steer !== 0));
  expect(steered).toBe(false); // arrows that move the line don't drive
  await page.getByRole("checkbox", { name: "Before and after" }).uncheck();
  expect(await page.isVisible("#split")).toBe(false);

  const cameras = page.getByRole("combobox", { name: "Camera" });
  await cameras.selectOption({ index: 2 });
  await expect.poll(() => tracks(page)).toEqual(["ended", "live"]);
  await guides(page, 2);

  await page.getByRole("slider", { name: "Strength" }).fill("0.5");
  await page.waitForFunction(() => window.worldloop?.session.actions().at(-1)?.[1] === 0.5);

  await page.evaluate(() => document.getElementById("back")?.click());
  await page.waitForSelector("#worlds .card");
  expect(await tracks(page)).toEqual(["ended", "ended"]);
});

test("a shared screen that ends leaves the world without a guide, and says so", async () => {
  const page = await open();
  await choose(page, "Screen or tab");
  await guides(page, 1);
  await page.evaluate(() => {
    for (const track of window.tracks) {
      track.stop();
      track.dispatchEvent(new Event("ended")); // as when the person stops sharing
    }
  });
  await page.getByText("Sharing has ended. Choose what to share again.").waitFor();
  expect(await chosen(page)).toBe("None");
  await page.waitForFunction(() => document.body.dataset.worldloopState === "running");
});

test("an image is shown once, and again to a world that begins anew; then none", async () => {
  const page = await open();
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="#c00"/></svg>';
  const image = { name: "red.svg", mimeType: "image/svg+xml", buffer: Buffer.from(svg) };
  const [[seen]] = await Promise.all([guides(page, 1), chooseFile(page, "Image file", image)]);
  expect(seen?.split(",").slice(0, 6)).toEqual(["204", "0", "0", "204", "0", "0"]);
  const [again, painted] = await Promise.all([guides(page, 1), firstFrame(page)]);
  expect(again).toEqual([seen]);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#screenshot")]);
  expect(await readFile(await download.path(), "latin1")).toMatch(/"guidesSha256":"[0-9a-f]{64}"/);
  const gone = guides(page, 1);
  await choose(page, "None");
  expect(new Set((await gone)[0]?.split(","))).toEqual(new Set(["128"]));
  expect(await firstFrame(page)).not.toBe(painted);
  await chooseFile(page, "Image file", { ...image, buffer: Buffer.from("no picture") });
  await page.getByText("This browser can't read the file as a picture").waitFor();
  await chooseFile(page, "Video file", { name: "film.mp4", mimeType: "video/mp4", buffer: Buffer.from("no film") });
  await page.getByText("This browser can't play the file (video/mp4)").waitFor();
  expect(await chosen(page)).toBe("None");
});

test("a film goes on while the world does, over and over", async () => {
  const page = await open();
  await page.click("#clip");
  await page.waitForSelector("#clip[aria-pressed=true]");
  const tick = await page.evaluate(() => Number(document.body.dataset.tick));
  await page.waitForFunction((tick) => Number(document.body.dataset.tick) > tick, tick + 30);
  const [clip] = await Promise.all([page.waitForEvent("download"), page.click("#clip")]);
  const name = clip.suggestedFilename();
  const file = { name, mimeType: `video/${name.split(".").at(-1)}`, buffer: await readFile(await clip.path()) };
  const [seen] = await Promise.all([guides(page, 4), chooseFile(page, "Video file", file)]);
  expect(new Set(seen).size).toBeGreaterThan(1);
  expect(await chosen(page)).toBe("Video file");
});

test("a scene is flown through and built in", async () => {
  const page = await open();
  const [[seen]] = await Promise.all([guides(page, 1), choose(page, "Grey-box scene")]);
  expect(new Set(seen?.split(",")).size).toBeGreaterThan(4);
  const picture = page.getByRole("application");
  expect(await picture.evaluate((canvas) => canvas === document.activeElement)).toBe(true);
  const changes = async (act: () => Promise<unknown>) => {
    const [changed] = await Promise.all([guides(page, 1), act()]);
    expect(changed).not.toEqual([seen]);
  };
  await changes(() => picture.press("w", { delay: 100 }));
  await changes(() => picture.press("ArrowLeft", { delay: 100 }));
  await changes(() => page.click('#guide-panel button:text("Add wall")'));
  await changes(() => page.click('#guide-panel button:text("Remove")'));
  const positions = Buffer.from(new Float32Array([-1, 0, 0, 1, 0, 0, 0, 2, 0]).buffer);
  const model = {
    asset: { version: "2.0" },
    scenes: [{ nodes: [0] }],
    nodes: [{ mesh: 0 }],
    meshes: [{ primitives: [{ attributes: { POSITION: 0 } }] }],
    accessors: [{ bufferView: 0, componentType: 5126, count: 3, type: "VEC3", min: [-1, 0, 0], max: [1, 2, 0] }],
    bufferViews: [{ buffer: 0, byteLength: 36 }],
    buffers: [{ byteLength: 36, uri: `data:application/octet-stream;base64,${positions.toString("base64")}` }],
  };
  const load = async (content: string) => {
    const [chooser] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.click('#guide-panel button:text("Load glTF")'),
    ]);
    await chooser.setFiles({ name: "model.gltf", mimeType: "", buffer: Buffer.from(content) });
  };
  await changes(() => load(JSON.stringify(model)));
  await load("?");
  await page.getByText("Expected a glTF or GLB file").waitFor();
  const steered = await page.evaluate(() => window.worldloop?.session.actions().some(([steer]) => steer !== 0));
  expect(steered).toBe(false);
});

test("a refused camera is told, and nothing is lost", async () => {
  const page = await open((page) =>
    page.addInitScript(() => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("denied", "NotAllowedError"));
    }),
  );
  await choose(page, "Webcam");
  await page.getByText("The camera wasn't allowed.").waitFor();
  expect(await chosen(page)).toBe("None");
  const tick = await page.evaluate(() => Number(document.body.dataset.tick));
  await page.waitForFunction((tick) => Number(document.body.dataset.tick) > tick, tick);
});

test("the panel can be read and worked on every screen", async () => {
  const faults: string[] = [];
  for (const [width, height, colorScheme] of [
    [1280, 800, "dark"],
    [390, 844, "light"],
    [320, 568, "light"],
  ] as const) {
    const page = await open(async (page) => {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    });
    for (const name of ["Webcam", "Grey-box scene"]) {
      await Promise.all([guides(page, 1), choose(page, name)]);
      await page.keyboard.press("Escape"); // puts the help away
      const place = `${name}, ${width} × ${height}`;
      if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1)) {
        faults.push(`${place}: overflows sideways`);
      }
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run());
      for (const { id, nodes } of violations) faults.push(`${place}: ${id} at ${nodes.map((n) => n.target.join(" "))}`);
    }
  }
  expect(faults).toEqual([]);
});

test("a world that takes no guides shows nothing of it", async () => {
  const page = await pages.open("#world=pong");
  await page.waitForFunction(() => Number(document.body.dataset.tick) > 2);
  expect(await page.isVisible("#guide")).toBe(false);
  await page.keyboard.press("g");
  expect(await page.isVisible("#guide-panel")).toBe(false);
});
