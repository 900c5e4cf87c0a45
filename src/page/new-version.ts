/**
 * Notices while a world is open that another version of it lies at its address, as it does again and again while one is
 * being trained (`training.run --watch`). A page with `?follow` takes it up by itself, one on this machine offers to;
 * elsewhere nobody asks. The new version is opened beside the old one first: what can't be opened replaces nothing.
 */
import "./new-version.css";
import { make } from "./elements";
import { announce, complain, notify } from "./notices";
import type { Opened } from "./opening";
import { isRecordingClip } from "./recording";
import type { Session } from "./session";
import { createVersionCheck } from "./version-check";

export interface NewVersionOptions {
  /** Of the world's folder, absolute, ending in a slash. */
  readonly url: string;
  /** Takes a new version up without asking. */
  readonly follows: boolean;
  /** Opens what lies there now, all of it checked. @throws what opening a world throws */
  prepare(): Promise<Opened>;
  /** Ends this session, and goes on in the new version. */
  swap(opened: Opened): Promise<void>;
}

/** ms between two looks. */
const PERIOD = { follows: 3_000, offers: 15_000 };
/** ms: between two looks where nobody answers. */
const LONGEST_PERIOD = 120_000;
/** A version that is being copied to its place file by file fails at first. */
const TRIES = 2;

const TITLE = "A new version of this world";

export function connectNewVersion(session: Session, options: NewVersionOptions): void {
  const { signal, loop, world } = session;
  const { url, follows, prepare, swap } = options;
  const usual = follows ? PERIOD.follows : PERIOD.offers;
  const check = createVersionCheck(`${url}world.json`, world.packageSha256);
  const failures = new Map<string, number>(); // by version
  let period = usual;
  let told: string | undefined; // the version that was offered, or waits
  let taking = false;

  /** @param asked by the person: a clip that is being recorded is saved then, and every failure told */
  async function take(sha256: string, asked: boolean): Promise<void> {
    if (taking) return;
    taking = true;
    try {
      const prepared = await prepare();
      const isSame = prepared.world.packageSha256 === world.packageSha256; // it was taken back meanwhile
      if (signal.aborted || isSame || !(asked || mayLeave())) return prepared.end();
      await swap(prepared);
    } catch (error) {
      if (signal.aborted) return;
      const count = (failures.get(sha256) ?? 0) + 1;
      failures.set(sha256, count);
      if (!asked && count < TRIES) return;
      failures.set(sha256, TRIES);
      complain("The new version can't be used; the old one plays on", error as Error);
    } finally {
      taking = false;
    }
  }

  /** Nothing is under way that a person would miss. */
  function mayLeave(): boolean {
    const { name } = loop.state.value;
    const stands = name === "running" || name === "paused";
    const busy = isRecordingClip() || session.replaying() || session.seeking.progress.value !== null;
    return stands && !busy && !document.querySelector("dialog[open]");
  }

  function offer(sha256: string): void {
    const remedies = [{ label: "Take it up", run: () => void take(sha256, true) }];
    notify({
      title: TITLE,
      content: [
        make("p", {}, "It lies at this address now. Your session goes on in it, with the same actions."),
        ...(isRecordingClip() ? [make("p", {}, "The clip that is being recorded ends then, and is saved.")] : []),
      ],
      remedies,
    });
  }

  async function look(): Promise<void> {
    if (document.hidden || taking || !navigator.onLine) return;
    const sha256 = await check.newer();
    period = usual;
    if (signal.aborted || sha256 === undefined || (failures.get(sha256) ?? 0) >= TRIES) return;
    if (follows && mayLeave()) return take(sha256, false);
    if (told === sha256) return;
    told = sha256;
    if (!follows) offer(sha256);
    else if (isRecordingClip()) {
      announce("A new version of this world is there. It is taken up when the clip is finished.");
      offer(sha256);
    }
  }

  async function watch(): Promise<void> {
    while (!signal.aborted) {
      await pause(period, signal);
      await look().catch((error: Error) => {
        period = Math.min(2 * period, LONGEST_PERIOD);
        console.info(`Nobody says whether the world has changed: ${error.message}`);
      });
    }
  }
  void watch();
}

/** Says what was taken up, with the picture that training left beside the package, if it did. */
export function tellNewVersion(url: string, sha256: string, what: string): void {
  announce(`A new version of this world was taken up. ${what}`);
  const picture = make("img", {
    alt: "Real pictures, and below each row what the network dreamed instead: 1 to 64 frames ahead",
    className: "progress-picture",
    onerror: () => picture.remove(), // not from a training that is under way
    src: `${url}progress.png?sha256=${sha256}`, // one a version, as the service worker keeps pictures,
  });
  notify({ title: TITLE, content: [make("p", {}, `Taken up. ${what}`), picture] });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
