/**
 * Keeps the session that is played in the browser's storage, every second: a closed tab, a crash or a dead worker lose
 * no more than that. Each tab writes a session of its own; a lock tells the others that it is being played.
 */
import { interval } from "rxjs";
import type { Snapshot } from "../model/world";
import { complain } from "./notices";
import { savedSession } from "./saved-session";
import type { Session } from "./session";
import type { KeptSession, SessionStore } from "./session-store";

/** ms: what may be lost. */
const PERIOD = 1000;
/** ms between two saves of the newest kept state (some 450 kB): going on plays again what came after it. */
const KEYFRAME_PERIOD = 10_000;
/** Seconds of play that are worth keeping. */
const SHORTEST = 2;

export interface Autosave {
  /** Id of the session that is played, undefined while it isn't kept yet. */
  readonly id: string | undefined;
  /** The next save takes the place of this session: what is played goes on from it. */
  replace(id: string): void;
  /** Saves now, if anything has changed. */
  save(): Promise<void>;
}

/** @param name of the world, as links have it. @param signal ends it, after a last save */
export function connectAutosave(session: Session, store: SessionStore, name: string, signal: AbortSignal): Autosave {
  const { world } = session;
  const { journal } = world;
  let id: string | undefined;
  let unlock: () => void = () => undefined;
  let played = -1; // the journal's session that `id` stands for
  let seen = ""; // what was saved last
  let saved = new Map<number, { readonly ticks: number; readonly parting: string }>(); // by branch
  let kept: Snapshot | undefined; // the state that was saved last
  let keyframeAt = 0;
  let goneOnFrom: { readonly id: string; readonly session: number } | undefined;
  let saving: Promise<void> | undefined;
  let told = false; // that the storage is full

  /** Another session is played now: it gets an id of its own, and this tab's lock. */
  const takeUp = () => {
    unlock();
    played = journal.session;
    saved = new Map();
    kept = undefined;
    id = crypto.randomUUID();
    unlock = hold(id);
  };

  async function write(goesOn: boolean): Promise<boolean> {
    const { ids, ...whole } = savedSession(session, name);
    const { record, ...rest } = whole;
    const now = Date.now();
    const branches = record.branches.map(({ parting, actions, ...own }, i) => ({
      ...{ ...own, id: ids[i] ?? i, ticks: record.width ? actions.length / record.width : 0 },
      parting: parting && { branch: ids[parting.branch] ?? 0, tick: parting.tick },
    }));
    const changed = branches.flatMap(({ id: branch, parting }, i) => {
      const before = goesOn ? saved.get(branch) : undefined;
      const from = before?.parting === JSON.stringify(parting) ? before.ticks : 0;
      const values = record.branches[i]?.actions.subarray(from * record.width);
      return values && values.length > 0 ? [{ branch, from, values }] : [];
    });
    const keyframe = journal.keyframe();
    const withKeyframe = keyframe && keyframe.value !== kept && now - keyframeAt >= KEYFRAME_PERIOD;
    const entry: KeptSession = {
      ...rest,
      ...{ id: id ?? "", title: world.manifest.title, updated: now, width: record.width, branches },
      at: { branch: ids[record.at.branch] ?? 0, tick: record.at.tick },
      thumbnail: journal.thumbnails.before(journal.position)?.value ?? null,
    };
    const gone = [...saved.keys()].filter((branch) => !ids.includes(branch));
    const replaces = goneOnFrom?.session === played ? goneOnFrom.id : undefined;
    const change = { session: entry, actions: changed, gone, replaces, goesOn };
    const done = await withRoom(
      () =>
        store.save({
          ...change,
          ...(withKeyframe ? { keyframe: { ...keyframe.value, branch: keyframe.point.branch } } : {}),
        }),
      () => store.save(change),
    );
    if (!done) return false;
    saved = new Map(
      branches.map(({ id: branch, ticks, parting }) => [branch, { ticks, parting: JSON.stringify(parting) }]),
    );
    if (replaces) goneOnFrom = undefined;
    told = false;
    if (withKeyframe) {
      kept = keyframe.value;
      keyframeAt = now;
    }
    return true;
  }

  /** Tries again with less, then with the sessions of long ago gone. What is saved already stays in any case. */
  async function withRoom<T>(save: () => Promise<T>, less: () => Promise<T>): Promise<T> {
    try {
      return await save();
    } catch (error) {
      if ((error as Error).name !== "QuotaExceededError") throw error;
    }
    for (;;) {
      try {
        return await less();
      } catch (error) {
        if ((error as Error).name !== "QuotaExceededError") throw error;
        if ((await store.trim(await livingSessions(id), true)) === 0) throw error;
      }
    }
  }

  async function saveNow(): Promise<void> {
    const { position, revision } = journal;
    const state = JSON.stringify([journal.session, revision, position]);
    if (state === seen || !session.frame() || !journal.from || "snapshot" in journal.from) return;
    if (played !== journal.session) {
      const longest = Math.max(...journal.branches().map(({ end }) => end));
      if (longest < SHORTEST * world.manifest.frameRate) return;
      takeUp();
      await store.trim(await livingSessions(id));
    }
    try {
      if (!(await write(saved.size > 0))) await write(false);
      seen = state;
    } catch (error) {
      if (!told) complain("This session isn't kept in the browser", reasonOf(error as Error));
      told = true;
    }
  }

  const save = () => {
    saving ??= saveNow().finally(() => {
      saving = undefined;
    });
    return saving;
  };
  const ticking = interval(PERIOD).subscribe(save);
  const leave = () => void save();
  document.addEventListener("visibilitychange", leave, { signal });
  window.addEventListener("pagehide", leave, { signal });
  signal.addEventListener("abort", () => {
    ticking.unsubscribe();
    void save().finally(() => {
      unlock();
      store.close();
    });
  });
  return {
    get id() {
      return played === journal.session ? id : undefined;
    },
    replace(old) {
      goneOnFrom = { id: old, session: journal.session };
    },
    save,
  };
}

/** Browsers name a full storage, and often say no more. */
const reasonOf = ({ name, message }: Error) =>
  new Error(
    `${name === "QuotaExceededError" ? "There is no room left" : message || name}. Save it as a file, under Sessions.`,
  );

const LOCK = "worldloop:session:";

/** Holds a lock while the session is played; insecure contexts have none. @returns lets go of it */
function hold(id: string): () => void {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  navigator.locks?.request(LOCK + id, () => held).catch(() => undefined); // the page is going away
  return release;
}

/** Sessions that some tab is playing, and one's own. */
export async function livingSessions(own?: string): Promise<Set<string>> {
  const held = (await navigator.locks?.query())?.held ?? [];
  const ids = held.flatMap(({ name }) => (name?.startsWith(LOCK) ? [name.slice(LOCK.length)] : []));
  return new Set(own ? [...ids, own] : ids);
}
