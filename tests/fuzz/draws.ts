/** Numbers by a seed, and what they do to bytes and to values: what all fuzzers of this folder share. */
import { concat } from "../../src/model/bytes";
import { philox } from "../../src/model/rng";

/** A whole number from 0 to below `n`. */
export type Draw = (n: number) => number;

/** Draws of a stream of its own for each index: any one can be made again alone. */
export function draws(seed: number, index: number): Draw {
  let block = 0;
  let words: ArrayLike<number> = [];
  let next = 0;
  return (n) => {
    if (next === words.length) {
      words = philox([block++, index, 3, 0], [seed, 0]);
      next = 0;
    }
    return (words[next++] as number) % n;
  };
}

export const ODD_VALUES: readonly unknown[] = [
  ...[null, true, "", "../x", "/etc/passwd", "a".repeat(5000), "\u001b[2J", "<script>alert(1)</script>", [], {}, [[]]],
  ...[0, -1, 1, 0.5, 1e308, -1e308, 2 ** 31, 2 ** 53, 1e-320, 65_536, 4096, "NaN", "__proto__", "constructor"],
];

/** Replaces, removes, doubles or adds something somewhere in it. */
export function changeValue(root: Record<string, unknown>, draw: Draw): void {
  let parent: Record<string, unknown> = root;
  let key = "";
  for (let depth = 0; depth < 6; depth++) {
    const keys = Object.keys(parent);
    if (keys.length === 0) break;
    key = keys[draw(keys.length)] as string;
    const child = parent[key];
    if (typeof child !== "object" || child === null || (depth > 0 && draw(4) === 0)) break;
    if (depth < 5) parent = child as Record<string, unknown>;
  }
  const odd = structuredClone(ODD_VALUES[draw(ODD_VALUES.length)]); // or the next change would change the list
  const way = draw(5);
  if (way === 0) delete parent[key];
  else if (way === 1 && Array.isArray(parent)) parent.push(...parent, odd);
  else if (way === 2 && !Array.isArray(parent)) parent[String(odd).slice(0, 40)] = parent[key];
  else if (way === 3 && typeof parent[key] === "number")
    parent[key] = (parent[key] as number) * ([2, -1, 1e9, 0.1][draw(4)] as number);
  else parent[key] = odd;
}

/** Flips, overwrites, cuts, doubles or inserts, once or several times. */
export function scrambled(bytes: Uint8Array<ArrayBuffer>, draw: Draw): Uint8Array<ArrayBuffer> {
  let all = bytes;
  for (let n = 1 + draw(4) ** 2; n > 0 && all.length > 0; n--) {
    const at = draw(all.length);
    const length = 1 + draw(Math.min(64, all.length - at));
    const way = draw(6);
    if (way === 0) all[at] = (all[at] as number) ^ (1 << draw(8));
    else if (way === 1) all[at] = [0, 0xff, 0x7f, 0x80][draw(4)] as number;
    else if (way === 2) for (let i = 0; i < length; i++) all[at + i] = draw(256);
    else if (way === 3) all = concat([all.subarray(0, at), all.subarray(at + length)]);
    else if (way === 4) all = concat([all.subarray(0, at + length), all.subarray(at)]);
    else if (draw(8) === 0) all = all.slice(0, at);
    else all = concat([all.subarray(0, at), Uint8Array.from({ length }, () => draw(256)), all.subarray(at)]);
  }
  return all;
}
