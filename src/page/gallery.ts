/** The front of the page: a card for every world, the last played first. Loaded when it is first shown. */
import { httpSource } from "../model/http-source";
import { type Manifest, parseManifest } from "../model/manifest";
import { rgbaOf } from "../model/rgb";
import { listWorlds } from "./address";
import { button, element, make } from "./elements";
import { type Card, createCard } from "./gallery-card";
import { limitsOf } from "./limits";
import { announce } from "./notices";
import { pagePads } from "./pad-navigation";
import { type Preview, previewOf, readPreviews, sheetAddress } from "./preview";
import { createPreviewPlayer, type PreviewPlayer } from "./preview-player";
import { keep, loadSettings, recall } from "./settings";
import { lastPlayed, speedOf } from "./visited";
import "../gallery.css";

const MOST_MANIFEST_BYTES = 1 << 20;

/** What the gallery has read of a world; kept while the page is open, so that coming back shows it at once. */
interface Read {
  readonly manifest: Manifest;
  readonly manifestBytes: number;
}
const read = new Map<string, Promise<Read>>();

/** @param signal ends it. @param cameFrom world that was just left: its card gets the focus */
export async function showGallery(signal: AbortSignal, cameFrom: string | undefined): Promise<void> {
  if (signal.aborted) return;
  const list = element("worlds", HTMLElement);
  signal.addEventListener("abort", () => list.replaceChildren());
  let names: string[];
  try {
    names = await listWorlds();
  } catch (error) {
    if (!signal.aborted) list.replaceChildren(problemOf(error as Error));
    return;
  }
  if (signal.aborted) return;
  const played = lastPlayed().filter((name) => names.includes(name));
  const ordered = [...played, ...names.filter((name) => !played.includes(name))];
  const cards = new Map(ordered.map((name) => [name, createCard(name, name === played[0])]));
  list.replaceChildren(...[...cards.values()].map(({ item }) => item));
  if (cameFrom !== undefined) (cards.get(cameFrom) ?? cards.get(ordered[0] ?? ""))?.link.focus();
  announce(`${names.length} ${names.length === 1 ? "world" : "worlds"}.`);

  pagePads(); // the d-pad walks from card to card
  const player = createPreviewPlayer(signal);
  connectMotion(player, signal);
  const previews = readPreviews().catch(() => ({}) as Readonly<Record<string, unknown>>); // start pictures do as well
  await Promise.all([...cards].map(([name, card]) => fill(card, { name, previews, player, signal })));
}

interface Filling {
  readonly name: string;
  readonly previews: Promise<Readonly<Record<string, unknown>>>;
  readonly player: PreviewPlayer;
  readonly signal: AbortSignal;
}

/** One card; what goes wrong is told in it. */
async function fill(card: Card, { name, previews, player, signal }: Filling): Promise<void> {
  const url = new URL(`worlds/${name}/`, document.baseURI).href;
  try {
    const { manifest, manifestBytes } = await readWorld(name, url);
    card.describe(manifest, manifestBytes, speedOf(name, manifest));
    const { filter } = loadSettings();
    card.canvas.style.imageRendering = filter === "smooth" ? "auto" : "pixelated";
    const [metrics, preview] = await Promise.all([
      readMetrics(manifest, url, signal),
      previews.then((all) => previewOf(manifest, all[name])),
    ]);
    if (signal.aborted) return;
    card.showLimits(limitsOf(metrics, manifest.frameRate));
    if (preview) showPreview(card, preview, { manifest, url, player, signal });
    else await showStart(card, manifest, url, signal);
  } catch (error) {
    if (!signal.aborted) card.fail(error as Error);
  }
}

function readWorld(name: string, url: string): Promise<Read> {
  const reading = read.get(name) ?? parse(url);
  read.set(name, reading);
  reading.catch(() => read.delete(name));
  return reading;
}

async function parse(url: string): Promise<Read> {
  const bytes = await httpSource(url).read("world.json", { maxBytes: MOST_MANIFEST_BYTES });
  return { manifest: parseManifest(new TextDecoder().decode(bytes)), manifestBytes: bytes.length };
}

/** Of its evaluation; undefined when there was none. */
async function readMetrics({ files }: Manifest, url: string, signal: AbortSignal): Promise<unknown> {
  const listed = files["metrics.json"];
  if (!listed) return undefined;
  const { sha256, bytes: maxBytes } = listed;
  try {
    return JSON.parse(
      new TextDecoder().decode(await httpSource(url).read("metrics.json", { sha256, maxBytes, signal })),
    );
  } catch (error) {
    return error; // no figures, which the card says
  }
}

interface Showing {
  readonly manifest: Manifest;
  readonly url: string;
  readonly player: PreviewPlayer;
  readonly signal: AbortSignal;
}

function showPreview(card: Card, preview: Preview, { manifest, url, player, signal }: Showing): void {
  card.captionPicture("Dreamed by the network");
  const { seed, driver, frames, frameRate } = preview;
  card.canvas.title = `${(frames / frameRate).toFixed(0)} s, seed ${seed}, driven ${driver === "by sight" ? driver : `by ${driver}`}`;
  player.add(card.canvas, preview, sheetAddress(preview, url), () => {
    card.canvas.title = "";
    showStart(card, manifest, url, signal).catch(
      (error: Error) => signal.aborted || card.captionPicture(error.message),
    );
  });
}

/** Where there is no preview: a picture of the real environment, at which the world begins. */
async function showStart(card: Card, { picture, starts, files }: Manifest, url: string, signal: AbortSignal) {
  const path = starts[0]?.picture ?? "";
  const { sha256, bytes: maxBytes } = files[path] ?? { sha256: "", bytes: 0 };
  const rgb = await httpSource(url).read(path, { sha256, maxBytes, signal });
  const { width, height } = Object.assign(card.canvas, picture);
  card.canvas.getContext("2d")?.putImageData(new ImageData(rgbaOf(rgb), width, height), 0, 0);
  card.captionPicture("Where it begins: a real picture");
}

/** The button that stops all previews; without a choice they move unless the system asks for less motion. */
function connectMotion(player: PreviewPlayer, signal: AbortSignal): void {
  const less = matchMedia("(prefers-reduced-motion: reduce)");
  const control = button("previews");
  let chosen = recall("previews");
  const apply = () => {
    const moving = typeof chosen === "boolean" ? chosen : !less.matches;
    player.setMoving(moving);
    control.textContent = moving ? "Stop the previews" : "Play the previews";
    return moving;
  };
  apply();
  less.addEventListener("change", apply, { signal });
  control.onclick = () => {
    chosen = !apply();
    keep("previews", chosen);
    apply();
  };
}

function problemOf(error: Error): HTMLElement {
  const again = make("button", { type: "button", textContent: "Try again", onclick: () => location.reload() });
  const box = make("div", { className: "failure" }, make("p", { className: "problem" }, error.message), again);
  box.setAttribute("role", "alert");
  return make("li", {}, box);
}
