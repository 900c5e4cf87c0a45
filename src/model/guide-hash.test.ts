import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { createGuideHash } from "./guide-hash";

const [grey, red, blue] = [128, 1, 2].map((value) => new Uint8Array(12).fill(value)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];
const sha256 = (...guides: Uint8Array[]) => createHash("sha256").update(Buffer.concat(guides)).digest("hex");

it("covers the guide of each tick, grey before the first", () => {
  const hash = createGuideHash(grey);
  hash.goneTo(0);
  hash.add(1, undefined);
  expect(hash.read()).toBeUndefined();
  hash.add(2, red);
  hash.add(3, undefined);
  expect(hash.read()).toBe(sha256(grey, red, red));
  hash.add(4, blue);
  expect(hash.read()).toBe(sha256(grey, red, red, blue));
});

it("begins anew elsewhere, and still says that there were guides, until the world forgets them", () => {
  const hash = createGuideHash(grey);
  hash.add(1, red);
  hash.goneTo(9);
  expect(hash.read()).toBe(sha256());
  hash.add(10, blue);
  expect(hash.read()).toBe(sha256(blue));
  hash.goneTo(0);
  expect(hash.read()).toBeUndefined();
});
