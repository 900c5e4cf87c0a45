import { expect, test } from "vitest";
import goldens from "../../tests/goldens/kv-window.json";
import { agesOf, emptyKv, slotOf, writeSlot } from "./kv-window";

test.each(goldens)("slots and ages of sink $sink, memory $memory, window $window are those of Python", (golden) => {
  let state = emptyKv(golden);
  golden.passes.forEach(({ slot, ages }, pass) => {
    expect([...agesOf(state)]).toEqual(ages);
    expect(slotOf(pass, golden)).toBe(slot);
    state = writeSlot(state, golden, Float32Array.of(pass));
  });
});

test("a written state leaves the earlier one as it was, and shares the untouched slots", () => {
  const layout = { sink: 1, memory: 1, window: 2 };
  const one = writeSlot(emptyKv(layout), layout, Float32Array.of(10));
  const two = writeSlot(one, layout, Float32Array.of(20));
  expect(one.written).toEqual([0, -1, -1, -1]);
  expect(two.written).toEqual([0, -1, 1, -1]);
  expect(two.slots[0]).toBe(one.slots[0]);
});
