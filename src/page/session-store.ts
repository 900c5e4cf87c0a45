/**
 * Sessions in the browser's storage (IndexedDB). Every save is one transaction: whatever ends the page, what was saved
 * before stays whole. Actions lie in chunks, so that a second of a long session costs no more than one of a short one.
 */
import { type DBSchema, deleteDB, type IDBPDatabase, openDB } from "idb";
import { RecordingError } from "../errors";
import { type BranchRecord, createBranchTree, type Point } from "../model/branch-tree";
import type { Thumbnail } from "../model/thumbnail";
import type { Snapshot } from "../model/world";
import type { SavedSession } from "../record/session-file";

/** Ticks of a chunk: 12 kB of three actions. */
const CHUNK = 1024;
/** Sessions that are kept; the one played longest ago goes first. */
const KEPT = 20;
const NAME = "worldloop-sessions";

/** What is known of a kept session without reading its actions. */
export interface KeptSession extends Omit<SavedSession, "record"> {
  readonly id: string;
  readonly title: string;
  /** When it was played last, ms since 1970. */
  readonly updated: number;
  readonly width: number;
  readonly branches: readonly (Omit<BranchRecord, "actions"> & {
    /** What `parting` and `at` name. */
    readonly id: number;
    /** Of its own. */
    readonly ticks: number;
  })[];
  /** A branch's id and a tick. */
  readonly at: Point;
  readonly thumbnail: Thumbnail | null;
}

/** A state, and the id of the branch that holds its tick; those of earlier releases don't say which. */
export interface KeptState extends Snapshot {
  readonly branch?: number;
}

/** What has changed since the last save. */
export interface Change {
  readonly session: KeptSession;
  /** Actions of a branch from this tick of its own on, float32 [ticks, width]; what lay behind it is written over. */
  readonly actions: readonly { readonly branch: number; readonly from: number; readonly values: Float32Array }[];
  /** Branches that are gone. */
  readonly gone: readonly number[];
  readonly keyframe?: KeptState | undefined;
  /** A session that goes when this one is saved: the one that it goes on from. */
  readonly replaces?: string | undefined;
  /** False when everything is in `actions`, true when it only goes on from the save before. */
  readonly goesOn: boolean;
}

export interface SessionStore {
  /** The newest first. */
  list(): Promise<KeptSession[]>;
  /** False when the save before has gone (forgotten in another tab): then everything must be saved. */
  save(change: Change): Promise<boolean>;
  /** With a state on the way to where it was left, if one is kept. @throws RecordingError when it is gone or damaged */
  load(id: string): Promise<{ readonly saved: SavedSession; readonly keyframe?: Snapshot }>;
  forget(id: string): Promise<void>;
  /** Lets go of the oldest, but for these, until no more than `KEPT` are left. @param fewer than are there now */
  trim(but: ReadonlySet<string>, fewer?: boolean): Promise<number>;
  close(): void;
}

interface Schema extends DBSchema {
  sessions: { key: string; value: KeptSession };
  /** By session, branch and number of the chunk. */
  actions: { key: [string, number, number]; value: Float32Array };
  keyframes: { key: string; value: KeptState };
}

/** @throws DOMException where the browser keeps nothing (a private window, storage forbidden) */
export async function openSessionStore(): Promise<SessionStore> {
  let opening: Promise<IDBPDatabase<Schema>> | undefined;
  /** Opened again after another tab has cleared the storage, or the browser has closed it. */
  const open = () => {
    opening ??= openDB<Schema>(NAME, 1, {
      upgrade(upgraded) {
        upgraded.createObjectStore("sessions", { keyPath: "id" });
        upgraded.createObjectStore("actions");
        upgraded.createObjectStore("keyframes");
      },
      blocking: close,
      terminated: close,
    });
    opening.catch(close);
    return opening;
  };
  const close = () => {
    const closing = opening;
    opening = undefined;
    closing?.then((db) => db.close()).catch(() => undefined); // it never opened
  };
  await open();
  const chunksOf = (id: string, branch?: number) =>
    branch === undefined
      ? IDBKeyRange.bound([id], [id, []]) // an array sorts behind every number
      : IDBKeyRange.bound([id, branch], [id, branch, []]);

  async function list(): Promise<KeptSession[]> {
    return (await (await open()).getAll("sessions")).sort((a, b) => b.updated - a.updated);
  }
  async function forget(id: string): Promise<void> {
    const all = (await open()).transaction(["sessions", "actions", "keyframes"], "readwrite");
    await Promise.all([
      all.objectStore("sessions").delete(id),
      all.objectStore("actions").delete(chunksOf(id)),
      all.objectStore("keyframes").delete(id),
      all.done,
    ]);
  }

  return {
    list,
    forget,
    async save({ session, actions, gone, keyframe, replaces, goesOn }) {
      const all = (await open()).transaction(["sessions", "actions", "keyframes"], "readwrite");
      all.done.catch(() => undefined); // told below, or by the first request that fails
      const sessions = all.objectStore("sessions");
      const chunks = all.objectStore("actions");
      const keyframes = all.objectStore("keyframes");
      if (goesOn && !(await sessions.getKey(session.id))) {
        await all.done;
        return false;
      }
      const work: Promise<unknown>[] = [];
      try {
        work.push(sessions.put(session));
        for (const branch of gone) work.push(chunks.delete(chunksOf(session.id, branch)));
        for (const { branch, from, values } of actions) {
          const size = CHUNK * session.width;
          const first = Math.floor(from / CHUNK);
          const old = from % CHUNK === 0 ? undefined : await chunks.get([session.id, branch, first]);
          const whole = new Float32Array((from % CHUNK) * session.width + values.length);
          whole.set(old?.subarray(0, (from % CHUNK) * session.width) ?? []);
          whole.set(values, (from % CHUNK) * session.width);
          for (let i = 0; i * size < whole.length; i++) {
            work.push(chunks.put(whole.slice(i * size, (i + 1) * size), [session.id, branch, first + i]));
          }
        }
        if (keyframe) work.push(keyframes.put(keyframe, session.id));
        if (replaces) {
          work.push(sessions.delete(replaces), chunks.delete(chunksOf(replaces)), keyframes.delete(replaces));
        }
        await Promise.all([...work, all.done]);
      } catch (error) {
        if (!all.error) all.abort(); // or the part that went in would stay
        await Promise.allSettled(work);
        throw error;
      }
      return true;
    },
    async load(id) {
      const all = (await open()).transaction(["sessions", "actions", "keyframes"]);
      const session = await all.objectStore("sessions").get(id);
      if (!session) throw new RecordingError("session: expected one that is kept here, got one that is gone.");
      const { width, branches, at, id: _, title: __, updated: ___, thumbnail: ____, ...rest } = session;
      const index = (branch: number) => branches.findIndex((candidate) => candidate.id === branch);
      const records: BranchRecord[] = [];
      for (const { id: branch, parting, ticks, ...own } of branches) {
        const chunks = await all.objectStore("actions").getAll(chunksOf(id, branch));
        const actions = new Float32Array(ticks * width);
        let length = 0;
        for (const chunk of chunks) {
          actions.set(chunk.subarray(0, actions.length - length), length);
          length += chunk.length;
        }
        if (length < actions.length) {
          throw new RecordingError(`session, ${own.name}: expected ${ticks} ticks, got ${length / width}. Forget it.`);
        }
        records.push({ ...own, parting: parting && { branch: index(parting.branch), tick: parting.tick }, actions });
      }
      const record = { width, branches: records, at: { branch: index(at.branch), tick: at.tick } };
      const saved = { ...rest, record };
      const kept = await all.objectStore("keyframes").get(id);
      const last =
        createBranchTree(0, record)
          .way(record.at)
          .get(index(kept?.branch ?? -1)) ?? -1;
      if (!kept || kept.tick > last) return { saved }; // it is of another branch
      const { branch: _____, ...keyframe } = kept;
      return { saved, keyframe };
    },
    async trim(but, fewer = false) {
      const sessions = (await list()).filter(({ id }) => !but.has(id));
      const surplus = fewer ? sessions.slice(-1) : sessions.slice(KEPT);
      for (const { id } of surplus) await forget(id);
      return surplus.length;
    },
    close,
  };
}

/** Everything that is kept, gone. For a person's wish and for tests. */
export const forgetAll = (): Promise<void> => deleteDB(NAME);
