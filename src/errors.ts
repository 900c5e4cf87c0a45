/**
 * Every error a user can meet, by name. A message says what was expected, what was found and what to do.
 * Names survive the worker boundary (`name` and `message` are copied), classes don't: test `error.name`.
 */
export class WorldloopError extends Error {
  override readonly name: string = "WorldloopError"; // spelled out in each class: minifiers rename classes

  constructor(message: string, options?: ErrorOptions) {
    super(shortened(message, LONGEST_MESSAGE), options);
  }
}

/** Characters. What a message quotes may be of any length, such as a name in somebody's file. */
const LONGEST_MESSAGE = 1000;
const LONGEST_VALUE = 100;

/** Cut in the middle: messages end with what to do. */
function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = Math.floor(most / 4);
  return `${text.slice(0, most - end - 1)}…${text.slice(text.length - end)}`;
}

/** A value from elsewhere as messages quote it: as JSON, short, whatever it is. */
export function quoted(value: unknown): string {
  try {
    return shortened(JSON.stringify(value) ?? String(value), LONGEST_VALUE);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return "something nested too deeply"; // JSON.parse takes any depth, the way back doesn't
  }
}

/** The package's description can't be read: not JSON, or not of the schema. */
export class ManifestError extends WorldloopError {
  override readonly name = "ManifestError";
}
/** The package was written for another version of the schema. */
export class ManifestVersionError extends WorldloopError {
  override readonly name = "ManifestVersionError";
}
/** A file that the manifest lists isn't there. */
export class MissingFileError extends WorldloopError {
  override readonly name = "MissingFileError";
}
/** A file's size or sha256 differs from the manifest's. */
export class FileMismatchError extends WorldloopError {
  override readonly name = "FileMismatchError";
}
/** A path in the manifest is absolute, leaves the package, or is a link. */
export class PathError extends WorldloopError {
  override readonly name = "PathError";
}
/** A zip can't be read as a package: no zip, cut off, damaged, encrypted, or built to fill the memory. */
export class ArchiveError extends WorldloopError {
  override readonly name = "ArchiveError";
}
/** A package can't be fetched from this address: not https, not readable from here, or it led elsewhere. */
export class AddressError extends WorldloopError {
  override readonly name = "AddressError";
}
/** A graph asks for weights outside itself, or for operators of an unknown domain. */
export class UnsafeGraphError extends WorldloopError {
  override readonly name = "UnsafeGraphError";
}
/** A graph holds an operator, a type or a size that our own engine doesn't cover; onnxruntime may. */
export class UnsupportedGraphError extends WorldloopError {
  override readonly name = "UnsupportedGraphError";
}
/** Names, shapes or types of a graph's tensors differ from the manifest's. */
export class ShapeError extends WorldloopError {
  override readonly name = "ShapeError";
}
/** The world is unknown. */
export class UnknownWorldError extends WorldloopError {
  override readonly name = "UnknownWorldError";
}
/** An action is missing a name, has one too many, or a value out of range. */
export class ActionError extends WorldloopError {
  override readonly name = "ActionError";
}
/** A text can't be a prompt, or the world takes none. */
export class PromptError extends WorldloopError {
  override readonly name = "PromptError";
}
/** A guide isn't a picture of the world's size, or the world takes none. */
export class GuideError extends WorldloopError {
  override readonly name = "GuideError";
}
/** `reset` was given a start, a seed or a context that the world can't take. */
export class ResetError extends WorldloopError {
  override readonly name = "ResetError";
}
/** A call came before `reset` or after `close`. */
export class StateError extends WorldloopError {
  override readonly name = "StateError";
}
/** The backend that was asked for isn't there. */
export class BackendError extends WorldloopError {
  override readonly name = "BackendError";
}
/** The worker died or stopped answering. */
export class WorkerCrashError extends WorldloopError {
  override readonly name = "WorkerCrashError";
}
/** Nobody answers, and this device has kept no copy. */
export class OfflineError extends WorldloopError {
  override readonly name = "OfflineError";
}
/** The browser has no room, or gives none, to keep something for offline use. */
export class StorageError extends WorldloopError {
  override readonly name = "StorageError";
}
/** The caller gave up. */
export class AbortedError extends WorldloopError {
  override readonly name = "AbortedError";
}
/** A recorded file (action log, rollout, replay link) can't be read. */
export class RecordingError extends WorldloopError {
  override readonly name = "RecordingError";
}
/** A file can't be taken as a picture: it isn't one, it is damaged, too large or too small. */
export class PictureError extends WorldloopError {
  override readonly name = "PictureError";
}
/** A policy isn't there, doesn't fit the world, or gave something else than an action. */
export class PolicyError extends WorldloopError {
  override readonly name = "PolicyError";
}
/** A dataset can't be written, read, resumed or merged. */
export class DatasetError extends WorldloopError {
  override readonly name = "DatasetError";
}
/** A folder can't be written: something is in the way, it is read-only, or the disk is full. */
export class OutputError extends WorldloopError {
  override readonly name = "OutputError";
}
/** Collecting stopped: a worker couldn't play an episode, or the queue is out of reach. */
export class CollectError extends WorldloopError {
  override readonly name = "CollectError";
}
/** A message to the server is none of its protocol (`docs/serve.md`). */
export class ProtocolError extends WorldloopError {
  override readonly name = "ProtocolError";
}
/** The server has no room for so many worlds. */
export class CapacityError extends WorldloopError {
  override readonly name = "CapacityError";
}
