/** Playing in a headset, where the browser has one: a button that puts the picture on a screen in it, and its controllers as a pad. */
import type { Subscription } from "rxjs";
import { padOfControllers } from "../action/xr-controllers";
import { button } from "./elements";
import { announce, complain } from "./notices";
import { pagePads } from "./pad-navigation";
import type { Session } from "./session";

const PAD = "headset";

/** @returns leaves the headset and disconnects it, when another world is opened */
export function connectHeadset(session: Session): () => void {
  const control = button("headset");
  const { xr } = navigator;
  let worn: XRSession | undefined;
  let closed = false;
  control.hidden = true;
  // A refusal means that this page may not know: the same as none.
  xr?.isSessionSupported("immersive-vr").then(
    (is) => {
      control.hidden = !is || closed;
      control.disabled = false;
    },
    () => undefined,
  );
  control.onclick = () => {
    if (worn) return void worn.end();
    if (!xr) return;
    document.body.dataset.headset = ""; // from now on the page loses the focus to it
    xr.requestSession("immersive-vr")
      .then(async (begun) => {
        worn = begun;
        await wear(session, begun);
        begun.addEventListener("end", () => {
          worn = undefined;
          control.setAttribute("aria-pressed", "false");
        });
        control.setAttribute("aria-pressed", "true");
      })
      .catch((error: Error) => {
        delete document.body.dataset.headset;
        void worn?.end().catch(() => undefined); // it may have ended by itself
        worn = undefined;
        complain("The headset can't show it", error);
      });
  };
  return () => {
    closed = true;
    control.onclick = null;
    void worn?.end().catch(() => undefined);
  };
}

async function wear({ loop, settings, frame }: Session, worn: XRSession): Promise<void> {
  const { pads } = pagePads();
  let frames: Subscription | undefined;
  worn.addEventListener("end", () => {
    frames?.unsubscribe();
    pads.put(PAD, null);
    delete document.body.dataset.headset;
    if (!document.hasFocus()) loop.pause("Paused: the headset was taken off.", true);
    announce("Back from the headset.");
  });
  const { createXrScreen } = await import("../view/xr-screen");
  const screen = await createXrScreen(worn, () => pads.put(PAD, padOfControllers(worn.inputSources)));
  const newest = frame();
  if (newest) screen.draw(newest, settings.value.filter);
  frames = loop.frames.subscribe((made) => screen.draw(made.frame, settings.value.filter));
  const state = loop.state.value;
  if (state.name === "paused" && state.resumable) loop.resume();
  announce("In the headset. Press the left stick to pause.");
}
