/** Offers to go on where one was: a line over the timeline when the world is opened, gone when one plays for a while. */
import { filter, take } from "rxjs";
import { livingSessions } from "./autosave";
import { button, element, make } from "./elements";
import { announce } from "./notices";
import type { Session } from "./session";
import { describeKept, goOn, type Keeping } from "./sessions-sheet";
import { pictureOf } from "./strip";

/** Seconds of play after which nobody goes back to an offer; the sheet has it still. */
const SHOWN_FOR = 30;

/** @param signal ends it */
export async function offerToGoOn(session: Session, keeping: Keeping, signal: AbortSignal): Promise<void> {
  const { world, loop } = session;
  const { store } = keeping;
  if (!store) return;
  const living = await livingSessions();
  const fits = (await store.list()).filter(
    (kept) => kept.packageSha256 === world.packageSha256 && !living.has(kept.id),
  );
  const kept = fits[0];
  if (!kept || signal.aborted) return;
  const box = element("offer", HTMLElement);
  const hide = () => {
    const hadFocus = box.contains(document.activeElement);
    box.hidden = true;
    if (hadFocus) button("sessions").focus();
  };
  const choose = (textContent: string, run: () => Promise<unknown> | undefined) =>
    make("button", {
      type: "button",
      textContent,
      onclick: () => {
        hide();
        void run()?.catch((error: Error) => announce(error.message));
      },
    });
  const picture = make("canvas", {});
  if (kept.thumbnail) pictureOf(picture, kept.thumbnail);
  box.replaceChildren(
    ...(kept.thumbnail ? [picture] : []),
    make("span", {}, `You were here: ${describeKept(kept, world.manifest.frameRate)}.`),
    choose("Go on where you were", () => goOn(session, keeping, kept.id)),
    choose("Forget it", () => store.forget(kept.id)),
    choose("Not now", () => undefined),
  );
  box.hidden = false;
  const over = loop.frames
    .pipe(
      filter(({ frame }) => frame.tick > SHOWN_FOR * world.manifest.frameRate),
      take(1),
    )
    .subscribe(hide);
  signal.addEventListener("abort", () => over.unsubscribe());
}
