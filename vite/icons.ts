/**
 * `npm run icons`: the icons of the installed page, drawn by Chromium from `assets/icons/worldloop.svg`. Each holds the
 * hash of the drawing that it was made from, so that a test can tell when they have to be made again.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { decode, encode } from "fast-png";
import { launchBrowser } from "../tests/setup/browser";

const FOLDER = fileURLToPath(new URL("../assets/icons/", import.meta.url));
const BACKGROUND = "#12161d"; // as in the drawing: what a system cuts to its own shape is filled to the edge

/** px; "filled": without round corners of its own. */
export const ICONS = [
  { name: "worldloop-192.png", size: 192, filled: false },
  { name: "worldloop-512.png", size: 512, filled: false },
  { name: "maskable-512.png", size: 512, filled: true },
  { name: "apple-touch.png", size: 180, filled: true },
] as const;

export const readDrawing = () => readFileSync(`${FOLDER}worldloop.svg`, "utf8");
export const hashOf = (drawing: string) => createHash("sha256").update(drawing).digest("hex");

async function main(): Promise<void> {
  const drawing = readDrawing();
  const browser = await launchBrowser();
  const page = await browser.newPage();
  for (const { name, size, filled } of ICONS) {
    await page.setViewportSize({ width: size, height: size });
    const background = filled ? BACKGROUND : "transparent";
    await page.setContent(`<style>body{margin:0;background:${background}}svg{display:block}</style>${drawing}`);
    const picture = decode(await page.screenshot({ omitBackground: true }));
    writeFileSync(FOLDER + name, encode({ ...picture, text: { Source: `worldloop.svg sha256 ${hashOf(drawing)}` } }));
  }
  await browser.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
