/**
 * Files that come to the page: dropped on it, or chosen. What each kind of file is for stands in one table; the work is
 * done by whoever the table names, loaded when there is some.
 */
import "./drop.css";
import { AbortedError } from "../errors";
import { button, make } from "./elements";
import { announce } from "./notices";
import type { Session } from "./session";
import type { Place } from "./world-source";

export interface Dropped {
  readonly name: string;
  readonly file?: File;
  readonly folder?: FileSystemDirectoryEntry;
}

/** The open world. */
export interface DropPlace {
  readonly session: Session;
  readonly place: Place;
  /** Of the world, as sessions and records call it. */
  readonly name: string;
}

interface Kind {
  readonly what: string;
  /** Of file names, small letters. */
  readonly extensions: readonly string[];
  readonly folders?: boolean;
  /** @param here the open world. @throws AbortedError when the person thinks better of it */
  open(dropped: Dropped, here: DropPlace | undefined): Promise<void>;
}

/** Told by its contents, whatever it is called. */
const SAVED: Kind = {
  what: "a picture, a clip or an action log of this page",
  extensions: [".png", ".mp4", ".webm", ".jsonl"],
  open: inWorld(async (file, here) => (await import("./provenance-sheet")).openProvenance(file, here)),
};

const KINDS: readonly Kind[] = [
  {
    what: "a world (its folder, or a zip of it)",
    extensions: [".zip"],
    folders: true,
    open: async (dropped, here) => (await import("./foreign-world")).openDropped(dropped, here?.session.loop),
  },
  {
    what: "a saved session or a story of shots",
    extensions: [".json"],
    open: inWorld(async (file, { session, name }) => (await import("./take-up")).takeUpFile(session, file, name)),
  },
  SAVED,
  {
    what: "a picture of your own",
    extensions: [".jpg", ".jpeg", ".webp", ".gif", ".avif", ".bmp", ".svg"],
    open: inWorld(async (file, { session }) => (await import("./own-picture")).offerPicture(session, file)),
  },
];

/** Of files that say something only to an open world. */
function inWorld(open: (file: File, here: DropPlace) => Promise<void>): Kind["open"] {
  return async ({ file }, here) => {
    if (!file) throw new Error("Expected a file, got a folder.");
    if (!here)
      throw new Error("Expected an open world that it can be shown to, got none. Open one, then the file again.");
    await open(file, here);
  };
}

/** @param current the open world, if one is */
export function connectDrop(current: () => DropPlace | undefined): void {
  const open = (dropped: readonly Dropped[]) => void take(dropped, current());
  const chooser = make("input", { type: "file", accept: KINDS.flatMap(({ extensions }) => extensions).join() });
  chooser.onchange = () => {
    open([...(chooser.files ?? [])].map((file) => ({ name: file.name, file })));
    chooser.value = ""; // so that the same file can be chosen again
  };
  button("open-file").onclick = () => chooser.click();

  const carriesFiles = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes("Files") ?? false;
  let depth = 0; // of entered elements: each child is entered before its parent is left
  const hint = (by: number) => {
    depth = Math.max(0, by === 0 ? 0 : depth + by);
    document.body.classList.toggle("dropping", depth > 0);
  };
  document.addEventListener("dragenter", (event) => carriesFiles(event) && hint(1));
  document.addEventListener("dragleave", (event) => carriesFiles(event) && hint(-1));
  document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    hint(0);
    open([...(event.dataTransfer?.items ?? [])].flatMap(read));
  });
}

/** Has to happen before the drop's event is over. */
function read(item: DataTransferItem): Dropped[] {
  const entry = item.webkitGetAsEntry();
  if (entry?.isDirectory) return [{ name: entry.name, folder: entry as FileSystemDirectoryEntry }];
  const file = item.getAsFile();
  return file ? [{ name: file.name, file }] : [];
}

async function take(dropped: readonly Dropped[], here: DropPlace | undefined): Promise<void> {
  const [one, ...more] = dropped;
  if (!one) return;
  const { tellRefusal } = await import("./foreign-dialog");
  const loop = here?.session.loop;
  const wanted = KINDS.map(({ what }) => what).join(", or ");
  if (more.length > 0) return tellRefusal(one.name, new Error(`Expected one thing at a time: ${wanted}.`), loop);
  const named = KINDS.find(({ extensions, folders }) =>
    one.folder ? folders : extensions.some((extension) => one.name.toLowerCase().endsWith(extension)),
  );
  const kind = named ?? (here ? SAVED : undefined);
  if (!kind) return tellRefusal(one.name, new Error(`Expected ${wanted}.`), loop);
  announce(`Reading “${one.name}” …`);
  try {
    await kind.open(one, here);
  } catch (error) {
    if (error instanceof AbortedError) announce(error.message);
    else await tellRefusal(one.name, error as Error, loop, ...(await remediesFor(error, here)));
  }
}

/** A session of another world can be opened there. */
async function remediesFor(error: unknown, here: DropPlace | undefined): Promise<HTMLButtonElement[]> {
  const { OtherWorldError } = await import("./take-up");
  if (!here || !(error instanceof OtherWorldError)) return [];
  const [{ keepingOf }, { openElsewhere }] = await Promise.all([import("./keeping"), import("./other-world")]);
  const { store } = await keepingOf(here.session);
  return store ? [openElsewhere(store, error.saved, (problem) => announce(problem.message))] : [];
}
