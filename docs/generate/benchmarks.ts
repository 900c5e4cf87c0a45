/** Tables of what the judge measured, from the `metrics.json` that each package brings: nobody copies a figure. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface Metrics {
  readonly short?: boolean;
  readonly starts: number;
  readonly runs: number;
  readonly frames: number;
  readonly prediction: Readonly<Record<string, { psnr: number[]; copy: number[]; sharpness: number[] }>>;
  readonly action_following?: { ratio: number[]; lag: number };
  readonly drift?: { broken: number; broken_real: number; frames_alive: number[] };
  readonly rest?: { things: { dream: number[]; real: number[] } };
}

const WORLDS = new URL("../../assets/worlds/", import.meta.url).pathname;
const NONE = "not measured";

export const worldNames = (): string[] =>
  readdirSync(WORLDS)
    .filter((name) => existsSync(join(WORLDS, name, "metrics.json")))
    .sort();

export function benchmarkTables(): string {
  const worlds = worldNames().map((name) => ({
    name,
    metrics: JSON.parse(readFileSync(join(WORLDS, name, "metrics.json"), "utf8")) as Metrics,
  }));
  const rows = (row: (metrics: Metrics) => string[]) =>
    worlds.map(({ name, metrics }) => `| [${name}](/assets/worlds/${name}/README.md) | ${row(metrics).join(" | ")} |`);
  return `### Prediction

PSNR in dB, dream and (in brackets) the last real frame kept; median over held-out starts.

| world | 1 ahead | 8 | 16 | 64 | sharpness 1 and 64 ahead, ratio to real |
|---|---|---|---|---|---|
${rows(({ prediction }) => [
  ...["1", "8", "16", "64"].map((h) => pair(prediction[h]?.psnr[0], prediction[h]?.copy[0])),
  `${number(prediction["1"]?.sharpness[0])}, ${number(prediction["64"]?.sharpness[0])}`,
]).join("\n")}

### Holding on

| world | windows of 100 frames unlike real ones (reality's own) | frames until the first such window, median | actions obeyed, ratio to real | lag, frames | creeping at rest, % of the width in 100 frames (reality's own) |
|---|---|---|---|---|---|
${rows(({ drift, action_following, rest }) => [
  drift ? `${share(drift.broken)} (${share(drift.broken_real)})` : NONE,
  drift ? String(middle(drift.frames_alive)) : NONE,
  number(action_following?.ratio[0]),
  action_following ? String(action_following.lag) : NONE,
  pair(rest?.things.dream[0], rest?.things.real[0]),
]).join("\n")}

### How it was measured

| world | kind | starts | runs × frames |
|---|---|---|---|
${rows((m) => [m.short ? "short evaluation" : "full evaluation", String(m.starts), `${m.runs} × ${m.frames}`]).join("\n")}
`;
}

const number = (value: number | undefined) => value?.toFixed(2) ?? NONE;
const pair = (value: number | undefined, beside: number | undefined) =>
  value === undefined ? NONE : `${value.toFixed(1)} (${beside?.toFixed(1) ?? NONE})`;
const share = (value: number) => `${(100 * value).toFixed(0)} %`;
const middle = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NONE;
