/**
 * The figures beside the picture: what runs, how fast, and how long an input takes to be seen. Only shows what it is
 * given, a few times a second; counting is `loop/stats.ts`.
 */
import { explain } from "../model/engine-choice";
import type { World } from "../model/world";

export interface Reading {
  readonly fps: number;
  readonly frameRate: number;
  readonly tick: { readonly p50: number; readonly p95: number };
  /** Input event to the first frame conditioned on it, ms. */
  readonly latency: { readonly p50: number; readonly p95: number };
  readonly kv: { readonly filled: number; readonly slots: number };
  readonly backend: World["backend"];
  readonly picture: { readonly width: number; readonly height: number };
  readonly view: string;
  readonly seed: number;
  readonly evaluations: number;
  readonly missed: number;
  readonly tickNumber: number;
}

const ROWS: readonly (readonly [label: string, help: string, value: (reading: Reading) => string])[] = [
  ["Frames", "Frames a second, and the world's rate", (r) => `${r.fps.toFixed(1)} / ${r.frameRate} s⁻¹`],
  ["Tick", "Model step: median and 95th percentile", (r) => `${pair(r.tick)} ms`],
  ["Input → frame", "From an input event to the first frame that answers it", (r) => `${pair(r.latency)} ms`],
  ["KV window", "Slots of the attention window in use", (r) => `${r.kv.filled} / ${r.kv.slots}`],
  ["Backend", "What computes, and on how many threads", ({ backend }) => backendLine(backend)],
  ["Picture", "Its size in pixels", ({ picture }) => `${picture.width} × ${picture.height}`],
  ["View", "What draws the picture", (r) => r.view],
  ["Evaluations", "Runs of the network per frame", (r) => `${r.evaluations} / frame`],
  ["Seed", "Seed of every random number", (r) => String(r.seed)],
  ["Missed", "Ticks without a frame because the model was late", (r) => String(r.missed)],
  ["Tick number", "Steps since the start", (r) => String(r.tickNumber)],
];

/** Fills a `<dl>`; the returned function shows a reading. */
export function createHud(list: HTMLElement): (reading: Reading) => void {
  const values = ROWS.map(([label, help]) => {
    const row = list.appendChild(document.createElement("div"));
    row.title = help;
    row.appendChild(document.createElement("dt")).textContent = label;
    return row.appendChild(document.createElement("dd"));
  });
  return (reading) => {
    ROWS.forEach(([, , value], i) => {
      const cell = values[i];
      if (cell) cell.textContent = value(reading);
    });
  };
}

const backendLine = ({ name, threads, machine, ...rest }: Reading["backend"]) => {
  const where = machine === "webgpu" ? "" : ` × ${threads}`; // a GPU has no such number
  return [name + where, explain(rest)].filter(Boolean).join(" · ");
};
const pair = ({ p50, p95 }: { p50: number; p95: number }) => `${whole(p50)} · ${whole(p95)}`;
const whole = (value: number) => (Number.isNaN(value) ? "–" : value.toFixed(0));
