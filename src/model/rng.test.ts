import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import goldens from "../../tests/goldens/rng.json";
import { normals, philox, type Words } from "./rng";

test.each(goldens.philox)("philox gives the vector Random123 publishes for $counter", ({ counter, key, words }) => {
  expect(philox(counter as unknown as Words, key as [number, number])).toEqual(words);
});

test.each(goldens.normals)("normals of seed $seed, tick $tick have the bits that Python has", (g) => {
  const values = normals(g.seed, g.tick, g.count);
  expect([...values.subarray(0, 2)]).toEqual(g.first.slice(0, g.count));
  expect(createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex")).toBe(g.sha256);
});

test("a shorter draw is the beginning of a longer one", () => {
  expect(normals(3, 4, 5)).toEqual(normals(3, 4, 50).slice(0, 5));
});
