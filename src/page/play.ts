/** Puts an open world in play on this page: everything that the entry loads while the worker starts. */
import { filter, firstValueFrom } from "rxjs";
import { checkReset } from "../model/beginning";
import type { WorkerWorld } from "../model/worker-client";
import { packageMark, unpackActions } from "../record/share-link";
import { createView, type View } from "../view/view";
import type { Address } from "./address";
import { connectControls } from "./controls";
import { connectDisplay } from "./display";
import { button, element } from "./elements";
import { announce } from "./notices";
import { askToPlayOn } from "./other-version";
import { connectPlaces, followInAddress } from "./places";
import { connectRecording } from "./recording";
import { createSession, type Session } from "./session";
import { loadSettings } from "./settings";

/** The view, which needs no world yet. */
export function prepareView(): Promise<View> {
  return createView(element("view", HTMLCanvasElement), element("stage", HTMLElement), loadSettings().filter);
}

/** Where the page begins when the address doesn't say. */
const FIRST = { seed: 1, start: 0 };

export interface PlayOptions {
  readonly address: Address;
  /** Names of all worlds, and of the open one. */
  readonly worlds: readonly string[];
  readonly name: string;
}

/**
 * Connects the page to the world and begins at once: with the address's replay, if it has one, else in the person's hands.
 * @throws RecordingError, ResetError when the world can't begin as the address says
 */
export async function play(world: WorkerWorld, view: View, { address, worlds, name }: PlayOptions): Promise<Session> {
  const { seed = FIRST.seed, start = FIRST.start } = address;
  checkReset({ seed, start }, world.manifest);
  const replay = address.replay ? await unpackActions(address.replay, world.manifest.actions) : [];
  const session = createSession(world, view, loadSettings());
  const canvas = element("view", HTMLCanvasElement);
  document.title = `${world.manifest.title} · Worldloop`;
  canvas.setAttribute("aria-label", `${world.manifest.title}, as the network dreams it. The keys drive it.`);
  connectDisplay(session);
  connectControls(session);
  const { finishClip } = connectRecording(session, name);
  connectPlaces(session, { worlds, current: name, finishClip });
  connectSheet("settings", async () => (await import("./settings-sheet")).openSettings(session));
  connectSheet("about", async () => (await import("./world-card")).openCard(session));
  const otherVersion = address.package !== undefined && address.package !== packageMark(world.packageSha256);
  const begin = async () => {
    const replays = replay.length > 0 && (!otherVersion || (await askToPlayOn(session.loop)));
    await session.begin({ seed, start }, replays ? replay : []);
    followInAddress(session, name, !replays); // a link with a replay stays, to be passed on
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
  control.onclick = () => void open().catch((error: Error) => announce(`This sheet can't be opened: ${error.message}`));
}
