/** The page can be installed: its manifest names icons that are there, in the sizes it says, drawn from the one drawing. */
import { readFileSync } from "node:fs";
import { decode } from "fast-png";
import { expect, it } from "vitest";
import { hashOf, ICONS, readDrawing } from "./icons";

interface Icon {
  readonly src: string;
  readonly sizes: string;
  readonly type: string;
  readonly purpose?: string;
}
const manifest = JSON.parse(readFileSync("assets/manifest.webmanifest", "utf8"));
const read = (name: string) => decode(readFileSync(`assets/icons/${name}`));

it.each(ICONS)("$name is of the drawing as it is now; otherwise: npm run icons", ({ name, size, filled }) => {
  const { width, height, data, channels, text } = read(name);
  expect([width, height]).toEqual([size, size]);
  expect(text?.Source).toBe(`worldloop.svg sha256 ${hashOf(readDrawing())}`);
  const isOpaque = channels === 3 || data[3] === 255; // the corner: a system cuts its own shape
  expect(isOpaque).toBe(filled);
});

it("has what browsers ask of an installable page, all of it in the page's own folder", () => {
  expect(manifest).toMatchObject({ name: "Worldloop", display: "standalone", start_url: "./", scope: "./" });
  const icons: Icon[] = manifest.icons;
  for (const { src, sizes, type } of icons) {
    expect(src).toMatch(/^icons\//);
    if (type === "image/png") expect(sizes).toBe(`${read(src.slice(6)).width}x${read(src.slice(6)).height}`);
  }
  expect(icons.map(({ sizes }) => sizes)).toEqual(expect.arrayContaining(["192x192", "512x512"]));
  expect(icons.some(({ purpose }) => purpose === "maskable")).toBe(true);
  const html = readFileSync("index.html", "utf8");
  expect(html).toContain('rel="manifest" href="/manifest.webmanifest"');
});
