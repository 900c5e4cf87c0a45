import { expect, test } from "vitest";
import { createTimeline } from "./timeline";

test("keeps the newest states, rewinds as far as they go, and branches from there", () => {
  const timeline = createTimeline<number>(3);
  expect([timeline.newest, timeline.rewindable]).toEqual([undefined, 0]);
  for (let tick = 0; tick < 10; tick++) timeline.push(tick);
  expect([timeline.newest, timeline.rewindable]).toEqual([9, 3]);
  timeline.rewind(2);
  expect([timeline.newest, timeline.rewindable]).toEqual([7, 1]);
  timeline.push(100);
  timeline.rewind(50);
  expect([timeline.newest, timeline.rewindable]).toEqual([6, 0]);
  timeline.clear();
  timeline.rewind(1);
  expect([timeline.newest, timeline.rewindable]).toEqual([undefined, 0]);
});
