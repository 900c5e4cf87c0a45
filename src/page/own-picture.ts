/**
 * Beginning from a picture of one's own: chosen, dropped on the view or pasted. The package's encoder reads it and the
 * world dreams on from there. Where it can't, one sentence says why, and the world stays where it was.
 */
import { rgbaOf } from "../model/rgb";
import { chooseFile, make } from "./elements";
import { announce, complain } from "./notices";
import { cropOf, type OwnPicture, openPicture } from "./picture-file";
import type { Session } from "./session";
import { openSheet } from "./sheet";

const REFUSED = "That picture can't be a beginning";

/** Listens for pictures that are pasted; dropped ones come through `drop.ts`. @returns a way to stop */
export function connectOwnPicture(session: Session): () => void {
  const closing = new AbortController();
  const { signal } = closing;
  const isPicture = ({ type }: File) => type.startsWith("image/");
  window.addEventListener(
    "paste",
    (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find(isPicture);
      if (!file || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      void offerPicture(session, file);
    },
    { signal },
  );
  return () => closing.abort();
}

/** Lets a person choose a file, then offers it. */
export function choosePicture(session: Session): void {
  chooseFile("image/*", (file) => void offerPicture(session, file));
}

/** Shows what the world will see of the picture, and begins there when it is wanted. */
export async function offerPicture(session: Session, file: Blob): Promise<void> {
  try {
    openOffer(session, await openPicture(file));
  } catch (error) {
    complain(REFUSED, error as Error, [{ label: "Choose another", run: () => choosePicture(session) }]);
  }
}

function openOffer(session: Session, picture: OwnPicture): void {
  const { world, loop } = session;
  const size = world.manifest.picture;
  const canvas = make("canvas", { ...size, className: "offer" });
  canvas.role = "img";
  canvas.ariaLabel = `Your picture at the world's ${size.width} × ${size.height} pixels`;
  const crop = cropOf(picture, size);
  const isWhole = picture.width - crop.width < 1 && picture.height - crop.height < 1; // px of it
  const part = make("input", { type: "range", min: "0", max: "1", step: "0.01", value: "0.5" });
  const see = () => picture.rgb(size, Number(part.value));
  const draw = () => {
    canvas.getContext("2d")?.putImageData(new ImageData(rgbaOf(see()), size.width, size.height), 0, 0);
  };
  part.oninput = draw;
  draw();
  const begin = make("button", { type: "button", textContent: "Begin here", className: "primary" });
  const dialog = openSheet(
    loop,
    "Your picture as the beginning",
    make(
      "p",
      {},
      "This is all that the world sees of it. It leaves your machine only in a session that you save with it.",
    ),
    canvas,
    ...(isWhole ? [] : [make("label", { className: "row" }, "Which part", part)]),
    make(
      "p",
      { className: "note" },
      "The network has only seen its own world: the more yours differs, the sooner it dreams it into that." +
        " A link can't carry a picture, so what you share begins at a start of the world's own.",
    ),
    make("div", { className: "row" }, begin),
  );
  begin.onclick = () => {
    const rgb = see();
    dialog.addEventListener("close", () => void beginAt(session, rgb), { once: true });
    dialog.close();
  };
  dialog.addEventListener("close", () => picture.close(), { once: true });
  begin.focus();
}

async function beginAt(session: Session, rgb: Uint8Array<ArrayBuffer>): Promise<void> {
  const { seed, start } = session.beginning.value;
  try {
    await session.begin({ seed, start, picture: rgb });
    announce("Begun from your picture.");
  } catch (error) {
    const { name, message } = error as Error;
    if (name === "ResetError") {
      const said = new Error("The world's encoder can't read it: it is too unlike this world's own.");
      complain(REFUSED, said, [{ label: "Choose another", run: () => choosePicture(session) }]);
      return;
    }
    // The encoder itself, fetched with the first picture: another picture would meet the same.
    complain(REFUSED, new Error(message), [{ label: "Try again", run: () => void beginAt(session, rgb) }]);
  }
}
