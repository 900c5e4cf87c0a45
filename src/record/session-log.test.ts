import { expect, it } from "vitest";
import { createSessionLog } from "./session-log";

const action = (value: number) => Float32Array.of(value);

it("holds the actions of the timeline that is left", () => {
  const log = createSessionLog();
  log.add(0, null);
  for (const tick of [1, 2, 3]) log.add(tick, action(tick));
  log.add(1, null); // rewound by two
  log.add(2, action(20));
  expect(log.read().map(([value]) => value)).toEqual([1, 20]);
  log.add(2, null); // a restart at the newest tick loses nothing
  expect(log.read()).toHaveLength(2);
  log.begin([1, 2, 3, 4].map(action)); // another drive's, whose frame comes next
  log.add(4, null);
  log.add(5, action(5));
  expect(log.read().map(([value]) => value)).toEqual([1, 2, 3, 4, 5]);
  log.add(0, null);
  expect(log.read()).toEqual([]);
});
