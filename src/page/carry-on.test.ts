/** A session that goes on in another version of its world: on the fake world, without a page. */
import { BehaviorSubject } from "rxjs";
import { expect, it } from "vitest";
import type { LoopState } from "../loop/game-loop";
import type { SessionBeginning } from "../model/beginning";
import { createFakeWorld } from "../model/fake-world";
import { createJournal } from "../model/journal";
import type { Manifest } from "../model/manifest";
import { recordCalls } from "../model/recorded-world";
import type { Action, Frame } from "../model/world";
import { carryOn, takeAlong } from "./carry-on";
import type { Session } from "./session";

const drive = (tick: number, side = 1) => Float32Array.of(Math.sin(tick / 9) * side, 0.5, 0);

/** What carrying on needs of a session, and what it did besides. */
async function sessionOf(packageSha256: string, change: Partial<Manifest> = {}) {
  const fake = createFakeWorld();
  const journal = createJournal();
  const calls = recordCalls(fake, () => undefined, journal);
  const world = { ...fake, ...calls, journal, packageSha256, manifest: { ...fake.manifest, ...change } };
  const state = new BehaviorSubject<LoopState>({ name: "running" });
  const beginning = new BehaviorSubject<SessionBeginning>({ seed: 7, start: 0 });
  const did: string[] = [];
  let frame: Frame = await world.reset({ seed: 7, start: 0 });
  const session = {
    world,
    beginning,
    loop: { state, speed: new BehaviorSubject(1), resume: () => did.push("resume") },
    frame: () => frame,
    actions: () => journal.actions().map((action) => action.slice()),
    told: () => journal.told(),
    async begin(from: SessionBeginning, replay: readonly Action[] = []) {
      beginning.next(from);
      did.push(`begin with ${replay.length}`);
    },
    async load(...[from, record]: Parameters<Session["load"]>) {
      beginning.next(from);
      frame = await world.load(from, record);
      const branch = journal.branches()[record.at.branch]?.id ?? 0;
      frame = await world.seek({ branch, tick: record.at.tick });
    },
    seeking: {
      to: async (point: Parameters<typeof world.seek>[0]) => {
        frame = await world.seek(point);
      },
    },
    watch: () => did.push("watch"),
  };
  const step = async (action: Action) => {
    frame = await world.step(action);
  };
  return { session: session as unknown as Session, did, step, state, journal };
}

/** 60 ticks, and from tick 20 on another branch of 15, at whose end it stands. */
async function played() {
  const old = await sessionOf("a".repeat(64));
  for (let tick = 1; tick <= 60; tick++) await old.step(drive(tick));
  await old.session.seeking.to({ branch: 0, tick: 20 });
  for (let tick = 21; tick <= 35; tick++) await old.step(drive(tick, -1));
  return old;
}

it("goes on at the same tick of the same branch, with all branches and the same actions", async () => {
  const old = await played();
  old.session.loop.speed.next(0.5);
  const next = await sessionOf("b".repeat(64));
  const said = await carryOn(next.session, await takeAlong(old.session, "fake"));
  expect(said).toBe("You go on at tick 35, with the same actions behind you.");
  expect(next.session.frame()?.tick).toBe(35);
  expect(next.session.actions()).toEqual(old.session.actions());
  expect(next.journal.branches().map(({ end }) => end)).toEqual([60, 35]);
  expect(next.did).toEqual(["resume"]);
  expect(next.session.loop.speed.value).toBe(0.5);
});

it("stands still where it stood, at the very first frame as well", async () => {
  const old = await sessionOf("a".repeat(64));
  old.state.next({ name: "paused", reason: "", resumable: false });
  const next = await sessionOf("b".repeat(64));
  expect(await carryOn(next.session, await takeAlong(old.session, "fake"))).toContain("at tick 0");
  expect(next.did).toEqual([]);
});

it("shows a long session from its beginning", async () => {
  const old = await sessionOf("a".repeat(64));
  for (let tick = 1; tick <= 1501; tick++) await old.step(drive(tick));
  const next = await sessionOf("b".repeat(64));
  expect(await carryOn(next.session, await takeAlong(old.session, "fake"))).toContain("from its beginning");
  expect(next.session.frame()?.tick).toBe(0);
  expect(next.journal.branches()[0]?.end).toBe(1501); // nothing of it is lost
  expect(next.did).toEqual(["watch"]);
});

it("begins anew where the new version has other actions or fewer starts, and says why", async () => {
  const old = await played();
  const { actions, starts } = old.session.world.manifest;
  const [first, ...others] = actions;
  if (!first) throw new Error("The fake world has actions.");
  const changes: [Partial<Manifest>, string][] = [
    [{ actions: [{ ...first, name: "lean" }, ...others] }, "expected the actions lean"],
    [{ actions: [{ ...first, max: 0.1 }, ...others] }, "tick"],
  ];
  for (const [change, why] of changes) {
    const next = await sessionOf("b".repeat(64), change);
    const said = await carryOn(next.session, await takeAlong(old.session, "fake"));
    expect(said).toContain("can't go on in it");
    expect(said).toContain(why);
    expect(next.did).toEqual(["begin with 0"]);
  }
  old.session.beginning.next({ seed: 7, start: starts.length });
  const next = await sessionOf("b".repeat(64));
  expect(await carryOn(next.session, await takeAlong(old.session, "fake"))).toContain("can't go on in it");
  expect(next.session.beginning.value).toEqual({ seed: 7, start: 0 });
});

it("goes on behind a picture of one's own", async () => {
  const old = await played();
  const { width, height } = old.session.world.manifest.picture;
  const picture = new Uint8Array(3 * width * height);
  await old.session.world.reset({ seed: 7, context: { frames: picture, actions: new Float32Array(0) } });
  for (let tick = 1; tick <= 4; tick++) await old.step(drive(tick));
  old.session.beginning.next({ seed: 7, start: 0, picture });
  const next = await sessionOf("b".repeat(64));
  await carryOn(next.session, await takeAlong(old.session, "fake"));
  expect(next.did).toEqual(["resume"]);
  expect(next.session.beginning.value.picture).toBe(picture);
  expect(next.journal.actions()).toEqual([1, 2, 3, 4].map((tick) => drive(tick)));
});
