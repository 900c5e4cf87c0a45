/** One world in the gallery: its picture, what one can do in it, and what to expect of it. */
import { keyName, restoreBindings } from "../action/bindings";
import type { Manifest } from "../model/manifest";
import { firstFiles } from "../model/package";
import { formatHash } from "../record/share-link";
import { make } from "./elements";
import { recall } from "./settings";
import type { Speed } from "./visited";

export interface Card {
  /** Goes into the list. */
  readonly item: HTMLLIElement;
  readonly link: HTMLAnchorElement;
  readonly canvas: HTMLCanvasElement;
  /** Shows what the package says of itself. @param manifestBytes size of world.json */
  describe(manifest: Manifest, manifestBytes: number, speed: Speed | undefined): void;
  /** Says in words what the picture is. */
  captionPicture(caption: string): void;
  showLimits(sentences: readonly string[]): void;
  /** The world can't be told about. */
  fail(error: Error): void;
}

/** @param name as links call the world */
export function createCard(name: string, isLast: boolean): Card {
  const link = make("a", { href: formatHash({ world: name }), textContent: name });
  const canvas = make("canvas", { width: 1, height: 1 });
  const caption = make("p", { className: "caption" });
  const about = make("p", {});
  const actions = make("ul", { className: "actions", ariaLabel: "What you can do" });
  const facts = make("dl", {});
  const limits = make("dd", { textContent: "…" });
  const item = make(
    "li",
    { className: "card" },
    make("div", { className: "picture" }, canvas, caption),
    make("div", { className: "heading" }, make("h2", {}, link), isLast ? make("span", {}, "Last played") : ""),
    about,
    actions,
    facts,
  );

  return {
    item,
    link,
    canvas,
    describe(manifest, manifestBytes, speed) {
      const { title, description, recordedFrom, frameRate } = manifest;
      link.textContent = title;
      about.textContent = description;
      actions.replaceChildren(...actionsOf(manifest));
      const row = (term: string, value: string | Node) => make("div", {}, make("dt", {}, term), value);
      const say = (term: string, text: string) => row(term, make("dd", {}, text));
      facts.replaceChildren(
        say("To begin", sizeOf(manifest, manifestBytes)),
        say("Speed here", speed ? sayFast(speed, frameRate) : "Not measured on this machine yet."),
        say("Learned from", `${recordedFrom.frames.toLocaleString("en")} frames of ${recordedFrom.environment}`),
        row("Limits", limits),
      );
    },
    captionPicture(text) {
      caption.textContent = text;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `A picture of ${link.textContent}`);
    },
    showLimits(sentences) {
      limits.textContent = sentences.join(" ");
    },
    fail(error) {
      about.textContent = `${error.name}: ${error.message}`;
      about.className = "problem";
    },
  };
}

/** Each action with one key for each of its values: those that the person chose, if they did. */
function actionsOf({ actions, name }: Manifest): HTMLElement[] {
  const bindings = restoreBindings(actions, recall(`keys:${name}`));
  return actions.map((spec) => {
    const own = bindings.filter(({ action }) => action === spec.name).sort((a, b) => a.value - b.value);
    const first = own.filter(({ value }, index) => own.findIndex((other) => other.value === value) === index);
    return make("li", {}, spec.name, ...first.flatMap(({ code }) => [" ", make("kbd", {}, keyName(code))]));
  });
}

/** What is fetched before the first frame. */
function sizeOf(manifest: Manifest, manifestBytes: number): string {
  const bytes = firstFiles(manifest, 0).reduce((sum, path) => sum + (manifest.files[path]?.bytes ?? 0), manifestBytes);
  return bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

const ENGINES: Readonly<Record<string, string>> = {
  own: "our own engine",
  wasm: "onnxruntime, WASM",
  webgpu: "onnxruntime, WebGPU",
};

function sayFast({ p50, p95, engine, threads }: Speed, frameRate: number): string {
  const budget = 1000 / frameRate;
  const keeps = p95 <= budget ? "keeps up with" : p50 <= budget ? "mostly keeps up with" : "too slow for";
  const on = `${ENGINES[engine] ?? engine}, ${threads} ${threads > 1 ? "threads" : "thread"}`;
  const round = (ms: number) => (ms < 10 ? ms : Math.round(ms));
  return `${round(p50)} ms a frame, 95 % within ${round(p95)} ms: ${keeps} its ${frameRate} frames a second (${on}).`;
}
