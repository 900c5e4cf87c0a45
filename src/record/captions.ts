/** What is written under a story's frames, and how a video takes it. */
import { toldAt } from "../model/prompt";
import type { StoryPlan } from "./story-file";

/** Frames of the story in a row with the same text. */
export interface Caption {
  readonly from: number;
  /** The first frame that it isn't under any more. */
  readonly to: number;
  readonly text: string;
}

/** What the world was told last, or else what the shot is called. */
export function captionsOf({ shots }: StoryPlan): Caption[] {
  const captions: Caption[] = [];
  const inForce: (string | undefined)[] = []; // at the end of each shot
  let frame = 0;
  for (const { name, from, frames, told } of shots) {
    const before = "after" in from ? inForce[from.after] : undefined;
    const changes = [...new Set([1, ...told.map(({ tick }) => tick)])];
    for (const [i, tick] of changes.entries()) {
      const end = changes[i + 1] ?? frames + 1;
      const text = toldAt(told, tick) ?? before ?? name;
      captions.push({ from: frame + tick - 1, to: frame + end - 1, text });
    }
    inForce.push(toldAt(told, frames) ?? before);
    frame += frames;
  }
  return captions;
}

/** The same, none longer than so many frames. */
export const cutCaptions = (captions: readonly Caption[], longest: number): Caption[] =>
  captions.flatMap(({ from, to, text }) =>
    Array.from({ length: Math.ceil((to - from) / longest) }, (_, i) => {
      const begin = from + i * longest;
      return { from: begin, to: Math.min(to, begin + longest), text };
    }),
  );

/** As WebVTT, which every player and ffmpeg read. */
export function formatCaptions(captions: readonly Caption[], frameRate: number): string {
  const time = (frame: number) => {
    const ms = Math.round((frame / frameRate) * 1000);
    return `${String(Math.floor(ms / 3_600_000)).padStart(2, "0")}${new Date(ms % 3_600_000).toISOString().slice(13, 23)}`;
  };
  const safe = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const cues = captions.map(({ from, to, text }) => `${time(from)} --> ${time(to)}\n${safe(text)}\n`);
  return `WEBVTT\n\n${cues.join("\n")}`;
}
