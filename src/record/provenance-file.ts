/**
 * What a file says about itself: finds the record in a picture, a clip or an action log, whatever the file is called.
 * Whether the record is true is `verify-record.ts`'s.
 */
import { RecordingError } from "../errors";
import { actionsSha256, type Provenance, parseProvenance } from "../model/provenance";
import { readLogProvenance } from "./action-log";
import { isPng, readPng } from "./png-text";
import { PNG_RECORD } from "./screenshot";
import { MOST_TICKS, unpackValues } from "./share-link";

/** Bytes of a picture or a log. Clips are read in parts, so they may be of any size. */
const LARGEST = 64e6;

export interface MarkedFile {
  readonly kind: "picture" | "clip" | "actions";
  readonly provenance: Provenance;
  readonly file: Blob;
  /** It carries a C2PA manifest, too. */
  readonly signed: boolean;
  /** Why the record can't be true, whatever it says; null where nothing speaks against it. */
  readonly contradiction: string | null;
}

/** An action log that says nothing but the actions. */
export interface PlainLog {
  readonly kind: "plain log";
  readonly text: string;
}

/** @throws RecordingError in one sentence: no file of ours, cut short, damaged, or without a record */
export async function readMarkedFile(file: Blob): Promise<MarkedFile | PlainLog> {
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  if (file.size === 0)
    throw new RecordingError("File: expected a picture, a clip or an action log, got an empty file.");
  if (isPng(head)) return readPicture(file);
  const clips = await import("./clip-file"); // the demuxer is large
  if (clips.isMp4(head) || clips.isWebM(head)) {
    const json = await clips.readClipRecord(file, head);
    if (json === null) throw stripped("clip");
    return marked("clip", file, parseProvenance("Clip", json));
  }
  return readLog(file);
}

async function readPicture(file: Blob): Promise<MarkedFile> {
  refuseLarge(file, "picture");
  const { texts, signed } = readPng(new Uint8Array(await file.arrayBuffer()));
  const json = texts.get(PNG_RECORD);
  if (json === undefined) throw stripped("picture");
  return marked("picture", file, parseProvenance("Picture", json), signed);
}

async function readLog(file: Blob): Promise<MarkedFile | PlainLog> {
  refuseLarge(file, "action log");
  const text = await file.text();
  if (!text.trimStart().startsWith("{") && !text.startsWith("\uFEFF")) {
    throw new RecordingError(
      "File: expected a picture (PNG), a clip (MP4, WebM) or an action log of Worldloop, got something else. Other formats, such as JPEG, lose the record.",
    );
  }
  const provenance = readLogProvenance(text);
  return provenance ? marked("actions", file, provenance) : { kind: "plain log", text };
}

async function marked(kind: MarkedFile["kind"], file: Blob, provenance: Provenance, signed = false) {
  return { kind, file, provenance, signed, contradiction: await contradictionIn(kind, provenance) };
}

/** Actions that aren't those that the record has the hash of, and a record that was taken from a file of another kind. */
async function contradictionIn(kind: MarkedFile["kind"], { shots, kind: claimed }: Provenance): Promise<string | null> {
  if (claimed !== kind) {
    return `The file is of the kind “${kind}”, its record was made for the kind “${claimed}”: it was taken from another file.`;
  }
  for (const { actions, prompts, guidesSha256, actionsSha256: claimed } of shots) {
    if (actions === undefined) continue;
    const values = await unpackValues(actions, MOST_TICKS * 64, {
      name: "Record, actions",
      advice: "The record was damaged or changed.",
    });
    const found = await actionsSha256([values], prompts, guidesSha256);
    if (found !== claimed) {
      return `The record contradicts itself: its actions have the hash ${found.slice(0, 12)}…, it says ${claimed.slice(0, 12)}…. It was changed after it was made.`;
    }
  }
  return null;
}

function refuseLarge(file: Blob, what: string): void {
  if (file.size <= LARGEST) return;
  throw new RecordingError(
    `File: expected a ${what} of at most ${LARGEST / 1e6} MB, got ${Math.round(file.size / 1e6)} MB.`,
  );
}

const stripped = (what: string) =>
  new RecordingError(
    `This ${what} carries no record of where it came from. It isn't from Worldloop, or the record was lost: chat programs and picture editors often drop it. Nothing can be said about it.`,
  );
