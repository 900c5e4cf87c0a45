/** Taking something home: screenshot, clip, action log and share link. The encoders load when first used. */
import type { Subscription } from "rxjs";
import { RecordingError } from "../errors";
import type { Provenance } from "../model/provenance";
import type { Clip } from "../record/clip";
import { download } from "../record/download";
import { engineMark, formatHash, packActions, packageMark, packTold } from "../record/share-link";
import type { Drive, Shots } from "../record/shots";
import { button, giveKeysBack, make } from "./elements";
import { announce, complain } from "./notices";
import type { Session } from "./session";
import { openSheet } from "./sheet";
import { nameOf, type Place } from "./world-source";

/** A clip that is being recorded when the world is left is saved then. @param place of the world, as links have it */
export function connectRecording(session: Session, place: Place): void {
  const { world, signal } = session;
  const name = (what: string, extension: string) =>
    `${world.manifest.name}-seed${session.beginning.value.seed}-${what}.${extension}`;

  const describe = async (kind: Provenance["kind"], drives: readonly Drive[], withActions: boolean) => {
    const { describeShots } = await import("../record/shots");
    const { originOf } = await import("../model/provenance");
    return { ...originOf(world, nameOf(place)), kind, shots: await describeShots(drives, withActions) };
  };

  const driven = () => ({ actions: session.actions(), told: session.told(), guidesSha256: session.guidesSha256() });

  onClick("screenshot", async () => {
    const frame = session.frame();
    if (!frame) return;
    const drive = { ...session.here(), from: frame.tick, to: frame.tick, ...driven() };
    const { screenshot } = await import("../record/screenshot");
    const provenance = await describe("picture", [drive], session.settings.value.shareActions);
    download(screenshot(frame, provenance), name(`tick${frame.tick}`, "png"));
  });
  onClick("log", async () => {
    const [frame, way] = [session.frame(), driven()];
    if (!frame) return;
    const { actions, told } = way;
    const drive = { ...session.here(), from: 0, to: actions.length, ...way };
    const provenance = await describe("actions", [drive], false); // its lines are the actions
    const { frameSha256 } = await import("../model/hash");
    const hash = await frameSha256(frame);
    const shots = provenance.shots.map((shot) => ({ ...shot, frameSha256: hash }));
    const { formatActionLog } = await import("../record/action-log");
    const text = formatActionLog(world.manifest.actions, actions, { ...provenance, shots }, told);
    download(new Blob([text], { type: "application/jsonl" }), name("actions", "jsonl"));
    announce(`Saved ${actions.length} actions.`);
  });
  onClick("share", () => openShare(session, place));

  let recording: { clip: Clip; shots: Shots; frames: Subscription } | undefined;
  const askBeforeLeaving = (event: Event) => event.preventDefault(); // the browser asks before the clip is lost
  const finishClip = async () => {
    if (!recording) return;
    const { clip, shots, frames } = recording;
    recording = undefined; // a clip is finished once, though the world be left meanwhile
    frames.unsubscribe();
    showRecording("Record clip", false);
    const provenance = await describe("clip", shots.read(), session.settings.value.shareActions);
    const { video, extension } = await clip
      .finish(provenance)
      .finally(() => window.removeEventListener("beforeunload", askBeforeLeaving));
    download(video, name("clip", extension));
    announce("Clip saved.");
  };
  const tell = (error: Error) => complain("The clip ended", error);
  signal.addEventListener("abort", () => void finishClip().catch(tell));
  onClick("clip", async () => {
    if (recording) return finishClip();
    const { startClip } = await import("../record/clip");
    const { picture, frameRate } = world.manifest;
    const clip = await startClip(picture.width, picture.height, frameRate, () => void finishClip().catch(tell));
    const shots = (await import("../record/shots")).createShots();
    if (signal.aborted) {
      await clip.cancel();
      throw new RecordingError("Clip: the world was left before its recording began. Nothing was recorded.");
    }
    let count = 0;
    const frames = session.loop.frames.subscribe(({ frame, action }) => {
      const { actions, told, guidesSha256 } = session;
      shots.add({ tick: frame.tick, action }, { ...session.here(), actions, told, guidesSha256 });
      if (action === null) return; // a reset, a restart or a rewind is no picture of the clip
      clip.add(frame);
      count++;
      showRecording(`Stop · ${Math.floor(count / frameRate)} s`, true);
    });
    recording = { clip, shots, frames };
    window.addEventListener("beforeunload", askBeforeLeaving);
    showRecording("Stop · 0 s", true);
    announce("Recording a clip.");
  });
}

/** A button that runs one task at a time, tells when it fails and then gives the keys back to the world. */
function onClick(id: string, task: () => Promise<void>): void {
  const control = button(id);
  control.disabled = false;
  control.onclick = async () => {
    control.disabled = true;
    try {
      await task();
    } catch (error) {
      complain(`${control.textContent.trim()}: that failed`, error as Error);
    } finally {
      control.disabled = false;
      giveKeysBack();
    }
  };
}

/** Whether a clip of the open world is being recorded. */
export const isRecordingClip = (): boolean => button("clip").getAttribute("aria-pressed") === "true";

function showRecording(text: string, on: boolean): void {
  const label = button("clip").querySelector("span");
  if (label) label.textContent = text;
  button("clip").setAttribute("aria-pressed", String(on));
}

async function openShare(session: Session, place: Place): Promise<void> {
  const { world, loop } = session;
  const { seed, start, picture } = session.here();
  const here = { ...place, seed, start };
  const link = (replay?: string, prompts?: string) => {
    const marks = { package: packageMark(world.packageSha256), made: engineMark(world.backend) };
    const drive = replay === undefined ? {} : { ...marks, replay, ...(prompts === undefined ? {} : { prompts }) };
    return new URL(formatHash({ ...here, ...drive }), location.href).href;
  };
  const field = make("input", { readOnly: true, value: link(), id: "link", onfocus: () => field.select() });
  const note = make("p", { className: "note" });
  note.setAttribute("role", "status");
  const include = make("input", { type: "checkbox" });
  include.onchange = async () => {
    note.textContent = "";
    try {
      const packed = include.checked ? [await packActions(session.actions()), packTold(session.told())] : [];
      field.value = link(...packed);
    } catch (error) {
      include.checked = false;
      note.textContent = (error as Error).message;
    }
  };
  const copy = make("button", { type: "button", textContent: "Copy", className: "primary" });
  copy.onclick = () =>
    navigator.clipboard.writeText(field.value).then(
      () => {
        note.textContent = "Copied.";
      },
      (error: Error) => {
        field.select();
        note.textContent = `The browser doesn't let the page copy (${error.message}). The link is selected: copy it by hand.`;
      },
    );
  const ticks = session.actions().length;
  openSheet(
    loop,
    "Share",
    make("p", {}, "The link holds the world, the seed and the start. Whoever opens it dreams on their own machine."),
    picture
      ? make(
          "p",
          {},
          "You began with a picture of your own, which no link can carry: this one begins at the world's start. A session can: save it under Sessions.",
        )
      : make(
          "label",
          { className: "check" },
          include,
          `With my drive: ${ticks} ticks are replayed, then the world is theirs.`,
        ),
    make("div", { className: "row" }, make("label", { htmlFor: "link", textContent: "Link" }), field, copy),
    note,
  );
}
