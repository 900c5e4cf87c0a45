/** Choosing where to be in a world: its start (with pictures) and the seed. The address follows. */
import { skip } from "rxjs";
import { rgbaOf } from "../model/rgb";
import { enlarge } from "../record/enlarge";
import { writeAddress } from "./address";
import { button, element, giveKeysBack, make } from "./elements";
import { announce } from "./notices";
import { choosePicture } from "./own-picture";
import type { Session } from "./session";
import { openSheet } from "./sheet";
import type { Place } from "./world-source";

export function connectPlaces(session: Session): void {
  const { world, beginning } = session;
  element("world-title", HTMLElement).textContent = world.manifest.title;

  const seed = element("seed", HTMLInputElement);
  const go = (to: { seed: number } | { start: number }) => {
    const { seed, start } = { ...beginning.value, ...to };
    const { picture } = beginning.value; // another seed dreams on from the same picture
    const next = "seed" in to && picture ? { seed, start, picture } : { seed, start };
    session.begin(next).then(() => announce(`Start ${next.start + 1}, seed ${next.seed}.`));
  };
  const sow = () => {
    const value = Number(seed.value.trim());
    seed.setCustomValidity(
      Number.isSafeInteger(value) && value >= 0 ? "" : "A whole number from 0 to 9007199254740991.",
    );
    if (seed.reportValidity()) go({ seed: value });
  };
  element("seed-form", HTMLFormElement).onsubmit = (event) => {
    event.preventDefault();
    sow();
    seed.blur(); // the keys drive again
  };
  seed.oninput = () => seed.setCustomValidity("");
  button("dice").onclick = () => {
    seed.value = String(crypto.getRandomValues(new Uint32Array(1))[0]);
    sow();
    giveKeysBack();
  };
  button("starts").onclick = () => openStarts(session, (start) => go({ start }));
  for (const control of [seed, button("dice"), button("starts")]) control.disabled = false;

  beginning.subscribe((now) => {
    seed.value = String(now.seed);
    const title = now.picture ? "Your picture" : (world.manifest.starts[now.start]?.title ?? now.start + 1);
    button("starts").textContent = `Start: ${title}`;
  });
}

/** Keeps the address at what is played. @param now false when the address should stay until the next beginning */
export function followInAddress({ beginning }: Session, place: Place, now: boolean): void {
  beginning.pipe(skip(now ? 0 : 1)).subscribe(({ seed, start }) => writeAddress({ ...place, seed, start }));
}

/** Lets a person choose one of the world's starts. @param title of the sheet, where it is for a cut */
export function openStarts(session: Session, choose: (start: number) => void, title?: string): void {
  const { world, loop, beginning } = session;
  const grid = make("div", { className: "starts" });
  const dialog = openSheet(loop, title ?? "Where to begin", grid);
  world.manifest.starts.forEach(({ title }, index) => {
    const canvas = make("canvas", {});
    const pick = make("button", { type: "button" }, canvas, title);
    if (title === undefined) {
      pick.setAttribute("aria-pressed", String(!beginning.value.picture && index === beginning.value.start));
    }
    pick.onclick = () => {
      dialog.close();
      choose(index);
    };
    grid.append(pick);
    world.readStart(index).then(
      ({ width, height, rgb }) => {
        const large = enlarge({ rgba: rgbaOf(rgb), width, height }, 2);
        Object.assign(canvas, { width: large.width, height: large.height });
        canvas.getContext("2d")?.putImageData(new ImageData(large.rgba, large.width, large.height), 0, 0);
      },
      (error: Error) => pick.append(` (no picture: ${error.message})`),
    );
  });
  if (title !== undefined) return;
  const own = make("button", { type: "button" }, "A picture of your own …");
  own.setAttribute("aria-pressed", String(beginning.value.picture !== undefined));
  own.onclick = () => {
    dialog.close();
    choosePicture(session);
  };
  grid.append(own);
}
