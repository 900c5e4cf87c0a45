/**
 * Files that come to the page: dropped on it, or chosen with the button. One table says who takes which; the last row
 * takes whatever is left, and says what it is.
 */
import { button, make } from "./elements";
import { announce } from "./notices";
import type { Session } from "./session";

/** What a file needs besides itself to be opened. */
export interface DropPlace {
  readonly session: Session;
  /** Of the open world, as links call it. */
  readonly name: string;
}

interface FileKind {
  /** For the file chooser. */
  readonly accept: string;
  readonly takes: (file: File) => boolean;
  readonly open: (file: File, place: DropPlace) => Promise<void>;
}

const KINDS: readonly FileKind[] = [
  {
    accept: "image/*",
    takes: ({ type }) => type.startsWith("image/") && type !== "image/png", // what this page saves are PNGs
    open: async (file, { session }) => (await import("./own-picture")).offerPicture(session, file),
  },
  {
    accept: ".png,.mp4,.webm,.jsonl",
    takes: () => true,
    open: async (file, place) => (await import("./provenance-sheet")).openProvenance(file, place),
  },
];

/** @param signal ends it; absent: as long as the page is open */
export function connectDrop(place: DropPlace, signal?: AbortSignal): void {
  const take = (files: FileList | null | undefined) => {
    const file = files?.[0];
    if (!file) return;
    const kind = KINDS.find(({ takes }) => takes(file));
    kind?.open(file, place).catch((error: Error) => announce(`This file can't be opened: ${error.message}`));
  };
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  const mark = (is: boolean) => document.body.toggleAttribute("data-dropping", is);
  const over = (event: DragEvent) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // or the browser would leave the page for the file
    mark(true);
  };
  const drop = (event: DragEvent) => {
    mark(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    take(event.dataTransfer?.files);
  };
  const options = signal ? { signal } : {};
  window.addEventListener("dragover", over, options);
  window.addEventListener("drop", drop, options);
  window.addEventListener("dragleave", (event) => event.relatedTarget === null && mark(false), options);

  const control = button("open-file");
  control.disabled = false;
  control.onclick = () => {
    const accept = KINDS.map((kind) => kind.accept).join();
    const input = make("input", { type: "file", accept, onchange: () => take(input.files) });
    input.click();
  };
}
