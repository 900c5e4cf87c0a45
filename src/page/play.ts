/** Puts an open world in play on this page: everything that the entry loads while the worker starts. */
import { filter, firstValueFrom } from "rxjs";
import { checkReset } from "../model/beginning";
import type { WorkerWorld } from "../model/worker-client";
import { engineMark, packageMark, unpackActions, unpackTold } from "../record/share-link";
import { createView, type View } from "../view/view";
import type { Address } from "./address";
import { connectControls } from "./controls";
import { connectDirector } from "./director";
import { connectDisplay } from "./display";
import { button, element } from "./elements";
import { connectEpisode } from "./episode";
import { connectFirstRun } from "./first-run";
import { connectFullScreen } from "./full-screen";
import { goOnHere, standThere, takeDestination } from "./go-on";
import { connectHeadset } from "./headset";
import { connectKeeping } from "./keeping";
import { complain, veil } from "./notices";
import { askToPlayOn, tellOtherEngine } from "./other-version";
import { connectOwnPicture } from "./own-picture";
import { connectPlaces, followInAddress } from "./places";
import { connectRecording } from "./recording";
import { createSession, type Session } from "./session";
import { loadSettings } from "./settings";
import { connectSlowNotice } from "./slow-notice";
import { connectTimelineBar } from "./timeline-bar";
import { rememberVisit } from "./visited";
import { nameOf, type Place } from "./world-source";

/** The view, which needs no world yet. @param signal closes it */
export async function prepareView(signal: AbortSignal): Promise<View> {
  signal.throwIfAborted(); // the canvas is the next world's by then
  const view = await createView(
    element("view", HTMLCanvasElement),
    element("stage", HTMLElement),
    loadSettings().filter,
  );
  if (signal.aborted) view.close();
  else signal.addEventListener("abort", () => view.close());
  return view;
}

/** Where the page begins when the address doesn't say. */
const FIRST = { seed: 1, start: 0 };

/** What lives as long as the session; each gives a way to let go. */
const CONNECTED = [
  connectDirector,
  connectDisplay,
  connectControls,
  connectFullScreen,
  connectEpisode,
  connectSlowNotice,
  connectOwnPicture,
  connectHeadset,
  connectFirstRun,
];

export interface PlayOptions {
  readonly address: Address;
  /** How links name the world. */
  readonly place: Place;
  /** Ends the session. */
  readonly signal: AbortSignal;
  /** Begins it with what was played before in another version of the world; what the address says is in that. */
  readonly carryOn?: (session: Session) => Promise<void>;
}

/**
 * Connects the page to the world and begins at once: with the address's replay, if it has one, else in the person's hands.
 * @throws RecordingError, ResetError when the world can't begin as the address says; AbortedError when it was left meanwhile
 */
export async function play(world: WorkerWorld, view: View, options: PlayOptions): Promise<Session> {
  const { address, place, signal, carryOn } = options;
  const { seed = FIRST.seed, start = FIRST.start } = address;
  checkReset({ seed, start }, world.manifest);
  const replay = address.replay ? await unpackActions(address.replay, world.manifest.actions) : [];
  const name = nameOf(place);
  const handed = takeDestination(name);
  const goneBy = handed && {
    actions: await unpackActions(handed.actions, world.manifest.actions),
    told: unpackTold(handed.prompts),
  };
  const told = unpackTold(address.prompts);
  signal.throwIfAborted();
  const session = createSession(world, view, loadSettings(), signal);
  const canvas = element("view", HTMLCanvasElement);
  document.title = `${world.manifest.title} · Worldloop`;
  canvas.setAttribute("aria-label", `${world.manifest.title}, as the network dreams it. The keys drive it.`);
  for (const connect of CONNECTED) signal.addEventListener("abort", connect(session));
  connectRecording(session, place);
  connectTimelineBar(session, signal);
  connectKeeping(session, name, signal);
  connectPlaces(session);
  rememberVisit(session, name);
  connectSheet("settings", async () => (await import("./settings-sheet")).openSettings(session));
  connectSheet("about", async () => (await import("./world-card")).openCard(session, place));
  const otherVersion = address.package !== undefined && address.package !== packageMark(world.packageSha256);
  const begin = async () => {
    if (carryOn) {
      await carryOn(session);
      followInAddress(session, place, true);
      return;
    }
    if (goneBy) {
      const onTick = (done: number, of: number) => veil(`Going on from where the file ended: tick ${done} of ${of}.`);
      await goOnHere(session, { seed, start, ...goneBy }, { onTick });
      standThere(session);
      followInAddress(session, place, true);
      return;
    }
    const replays = replay.length > 0 && (!otherVersion || (await askToPlayOn(session.loop)));
    await session.begin({ seed, start }, replays ? replay : [], replays ? told : []);
    const here = engineMark(world.backend);
    if (replays && !otherVersion && address.made !== undefined && address.made !== here)
      tellOtherEngine(address.made, here);
    followInAddress(session, place, !replays); // a link with a replay stays, to be passed on
    if (document.hidden) session.loop.pause("Paused: the page isn't shown.", true);
  };
  const dreamed = session.loop.frames.pipe(filter(({ frame }) => frame.tick > 0));
  void firstValueFrom(dreamed, { defaultValue: null }).then(async (made) => {
    if (made) await (await import("./offline")).keepOffline(world);
  });
  void begin(); // whoever opened the page gets hold of the session before its first frame
  return session;
}

function connectSheet(id: string, open: () => Promise<void>): void {
  const control = button(id);
  control.disabled = false;
  control.onclick = () => void open().catch((error: Error) => complain("This sheet can't be opened", error));
}
