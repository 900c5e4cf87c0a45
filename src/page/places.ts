/** Choosing where to be: the world, its start (with pictures) and the seed. The address follows. */
import { skip } from "rxjs";
import { enlarge } from "../record/enlarge";
import { formatHash } from "../record/share-link";
import { writeAddress } from "./address";
import { button, element, giveKeysBack, make } from "./elements";
import { announce } from "./notices";
import type { Recording } from "./recording";
import type { Session } from "./session";
import { openSheet } from "./sheet";
import type { Place } from "./world-source";

/** @param place of the open world. @param finishClip called before another one is opened in its place */
export function connectPlaces(
  session: Session,
  { worlds, place, finishClip }: { worlds: readonly string[]; place: Place } & Recording,
): void {
  const { world, beginning } = session;
  const current = place.world ?? "";
  const choice = element("world", HTMLSelectElement);
  choice.replaceChildren(
    ...worlds.map((name) => make("option", { value: name, textContent: name, selected: name === current })),
  );
  if (place.foreign)
    choice.prepend(make("option", { value: "", textContent: world.manifest.title.slice(0, 40), selected: true }));
  choice.disabled = false;
  choice.onchange = () =>
    finishClip().then(
      () => {
        location.hash = formatHash({ world: choice.value }); // `main.ts` opens what the address says
      },
      (error: Error) => {
        choice.value = current;
        announce(error.message);
      },
    );

  const seed = element("seed", HTMLInputElement);
  const go = (to: { seed?: number; start?: number }) => {
    const next = { ...beginning.value, ...to };
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
    button("starts").textContent = `Start: ${world.manifest.starts[now.start]?.title ?? now.start + 1}`;
  });
}

/** Keeps the address at what is played. @param now false when the address should stay until the next beginning */
export function followInAddress({ beginning }: Session, place: Place, now: boolean): void {
  beginning.pipe(skip(now ? 0 : 1)).subscribe(({ seed, start }) => writeAddress({ ...place, seed, start }));
}

function openStarts({ world, loop, beginning }: Session, choose: (start: number) => void): void {
  const grid = make("div", { className: "starts" });
  const dialog = openSheet(loop, "Where to begin", grid);
  world.manifest.starts.forEach(({ title }, index) => {
    const canvas = make("canvas", {});
    const pick = make("button", { type: "button" }, canvas, title);
    pick.setAttribute("aria-pressed", String(index === beginning.value.start));
    pick.onclick = () => {
      dialog.close();
      choose(index);
    };
    grid.append(pick);
    world.readStart(index).then(
      ({ width, height, rgb }) => {
        const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
        for (let i = 0; i < width * height; i++) rgba.set(rgb.subarray(i * 3, i * 3 + 3), i * 4);
        const large = enlarge({ rgba, width, height }, 2);
        Object.assign(canvas, { width: large.width, height: large.height });
        canvas.getContext("2d")?.putImageData(new ImageData(large.rgba, large.width, large.height), 0, 0);
      },
      (error: Error) => pick.append(` (no picture: ${error.message})`),
    );
  });
}
