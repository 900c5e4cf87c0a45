/** Taking something home: screenshot, clip, action log and share link. The encoders load when first used. */
import { filter, type Subscription } from "rxjs";
import { formatActionLog } from "../record/action-log";
import type { Clip } from "../record/clip";
import { download } from "../record/download";
import { screenshot } from "../record/screenshot";
import { formatHash, packActions, packageMark } from "../record/share-link";
import { button, giveKeysBack, make } from "./elements";
import { announce } from "./notices";
import type { Session } from "./session";
import { openSheet } from "./sheet";
import type { Place } from "./world-source";

export interface Recording {
  /** Saves the clip that is being recorded, if one is. @throws RecordingError when there is nothing to save */
  finishClip(): Promise<void>;
}

/** @param place of the world, as links have it */
export function connectRecording(session: Session, place: Place): Recording {
  const { world } = session;
  const name = (what: string, extension: string) =>
    `${world.manifest.name}-seed${session.beginning.value.seed}-${what}.${extension}`;

  onClick("screenshot", async () => {
    const frame = session.frame();
    if (frame) download(await screenshot(frame), name(`tick${frame.tick}`, "png"));
  });
  onClick("log", async () => {
    const text = formatActionLog(world.manifest.actions, [...session.actions()]);
    download(new Blob([text], { type: "application/jsonl" }), name("actions", "jsonl"));
    announce(`Saved ${session.actions().length} actions.`);
  });
  onClick("share", () => openShare(session, place));

  let recording: { clip: Clip; frames: Subscription } | undefined;
  const finishClip = async () => {
    if (!recording) return;
    const { clip, frames } = recording;
    frames.unsubscribe();
    showRecording("Record clip", false);
    const { video, extension } = await clip.finish().finally(() => {
      recording = undefined;
    });
    download(video, name("clip", extension));
    announce("Clip saved.");
  };
  window.addEventListener("beforeunload", (event) => {
    if (recording) event.preventDefault(); // the browser asks before the clip is lost
  });
  onClick("clip", async () => {
    if (recording) return finishClip();
    const { startClip } = await import("../record/clip");
    const { picture, frameRate } = world.manifest;
    const clip = await startClip(picture.width, picture.height, frameRate);
    let count = 0;
    const frames = session.loop.frames.pipe(filter(({ action }) => action !== null)).subscribe(({ frame }) => {
      clip.add(frame);
      count++;
      showRecording(`Stop · ${Math.floor(count / frameRate)} s`, true);
    });
    recording = { clip, frames };
    showRecording("Stop · 0 s", true);
    announce("Recording a clip.");
  });
  return { finishClip };
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
      announce((error as Error).message);
    } finally {
      control.disabled = false;
      giveKeysBack();
    }
  };
}

function showRecording(text: string, on: boolean): void {
  const label = button("clip").querySelector("span");
  if (label) label.textContent = text;
  button("clip").setAttribute("aria-pressed", String(on));
}

async function openShare(session: Session, place: Place): Promise<void> {
  const { world, beginning, loop } = session;
  const here = { ...place, ...beginning.value };
  const link = (replay?: string) => {
    const drive = replay === undefined ? {} : { package: packageMark(world.packageSha256), replay };
    return new URL(formatHash({ ...here, ...drive }), location.href).href;
  };
  const field = make("input", { readOnly: true, value: link(), id: "link", onfocus: () => field.select() });
  const note = make("p", { className: "note" });
  note.setAttribute("role", "status");
  const include = make("input", { type: "checkbox" });
  include.onchange = async () => {
    note.textContent = "";
    try {
      field.value = include.checked ? link(await packActions(session.actions())) : link();
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
    make(
      "label",
      { className: "check" },
      include,
      `With my drive: ${ticks} ticks are replayed, then the world is theirs.`,
    ),
    make("div", { className: "row" }, make("label", { htmlFor: "link", textContent: "Link" }), field, copy),
    note,
  );
}
