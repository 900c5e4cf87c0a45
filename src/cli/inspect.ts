/** `worldloop inspect`: what a file, or a dataset, says about where it came from, as JSON. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { PROVENANCE_FILE } from "../dataset/dataset-provenance";
import { readNpzProvenance } from "../dataset/npz";
import { contradictionIn, parseRollout, provenanceOf, type Rollout } from "../dataset/rollout-file";
import { RecordingError, WorldloopError } from "../errors";
import { type Provenance, parseProvenance } from "../model/provenance";
import { type MarkedFile, readMarkedFile } from "../record/provenance-file";
import { readInput } from "./input";

/** What was found, and what of it can be replayed. */
export interface Inspected {
  readonly provenance: Provenance;
  /** Why it can't be true; null where nothing speaks against it. */
  readonly contradiction: string | null;
  readonly rollout?: Rollout;
  readonly marked?: MarkedFile;
}

/** @returns the JSON to print, and a warning. @throws RecordingError in one line */
export async function inspect(path: string): Promise<{ readonly json: string; readonly warning: string | null }> {
  const { provenance, contradiction } = await readInspected(path);
  return { json: `${JSON.stringify(provenance, null, 2)}\n`, warning: contradiction };
}

export const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

/** @throws RecordingError, its message beginning with the path */
export async function readInspected(path: string): Promise<Inspected> {
  if (isFolder(path)) return readFolder(path);
  const bytes = await readInput(path);
  if (path.endsWith(".json")) return readJson(path, new TextDecoder().decode(bytes));
  if (path.endsWith(".npz")) {
    const json = about(path, () => readNpzProvenance(bytes));
    if (json === null) throw new RecordingError(`${path}: expected a record of where it came from, got none`);
    return { provenance: parseProvenance(path, json), contradiction: null };
  }
  if (path.endsWith(".npy")) {
    throw new RecordingError(`${path}: a .npy file has no room for a record; give the rollout.json beside it`);
  }
  try {
    const marked = await readMarkedFile(new Blob([bytes]));
    if (marked.kind === "plain log") {
      throw new RecordingError("an action log that doesn't say which world, seed and start it was made with");
    }
    return { provenance: marked.provenance, contradiction: marked.contradiction, marked };
  } catch (error) {
    throw named(path, error);
  }
}

async function readJson(path: string, text: string): Promise<Inspected> {
  if (path.endsWith(PROVENANCE_FILE)) return { provenance: parseProvenance(path, text), contradiction: null };
  const rollout = parseRollout(path, text);
  return { rollout, provenance: await provenanceOf(rollout), contradiction: await contradictionIn(rollout) };
}

async function readFolder(path: string): Promise<Inspected> {
  const file = ["rollout.json", PROVENANCE_FILE].find((name) => existsSync(join(path, name)));
  if (file) return readInspected(join(path, file));
  throw new RecordingError(`${path}: expected a folder of rollout, collect or export-session, got another`);
}

function about<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw named(path, error);
  }
}

/** Puts the file's name in front of what is wrong with it. */
const named = (path: string, error: unknown): unknown =>
  error instanceof WorldloopError ? new RecordingError(`${path}: ${error.message}`, { cause: error }) : error;
