/** The card of a world: what it is, what it learned from, how good it is, and which bytes run. Loaded when first opened. */
import { make } from "./elements";
import { forget, list } from "./foreign-store";
import { isolationSentence } from "./isolation";
import { announce } from "./notices";
import type { Session } from "./session";
import { openSheet } from "./sheet";
import type { Place } from "./world-source";

export function openCard({ world, loop }: Session, { foreign }: Place): void {
  const { title, description, recordedFrom, metrics, files, picture, frameRate, evaluations } = world.manifest;
  const bytes = Object.values(files).reduce((sum, file) => sum + file.bytes, 0);
  const size = (count: number) => (count < 1e5 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`);
  const list = (rows: readonly (readonly [string, string | Node])[]) =>
    make("dl", {}, ...rows.map(([term, value]) => make("div", {}, make("dt", {}, term), make("dd", {}, value))));
  const code = (text: string) => make("code", {}, text);
  const fileRows = Object.entries(files).map(([path, file]) =>
    make("tr", {}, make("td", {}, path), make("td", {}, size(file.bytes)), make("td", {}, code(file.sha256))),
  );
  openSheet(
    loop,
    title,
    make("p", {}, description),
    make(
      "p",
      {},
      "What you see is a dream: a neural network on this device predicts each picture from the last ones and" +
        " from what you do. No game engine runs, nothing is replayed, and nothing leaves your machine.",
    ),
    list([
      ["Recorded from", `${recordedFrom.environment}, ${recordedFrom.frames.toLocaleString("en")} frames`],
      ["Licence of the source", recordedFrom.licence],
      ["Picture", `${picture.width} × ${picture.height}, ${frameRate} frames a second`],
      ["Network", `${evaluations} evaluation${evaluations === 1 ? "" : "s"} per frame`],
      ["Package", `${size(bytes)} in ${Object.keys(files).length} files`],
      ["Threads", isolationSentence()],
      ["sha256", code(world.packageSha256)],
      ...(foreign ? [["From elsewhere", code(foreign.address)] as const] : []),
    ]),
    ...(foreign ? [forgetButton(world.packageSha256)] : []),
    ...(Object.keys(metrics).length > 0 ? [make("h3", {}, "Measured")] : []),
    list(
      Object.entries(metrics).map(([name, value]) => [name, value.toLocaleString("en", { maximumFractionDigits: 3 })]),
    ),
    make(
      "details",
      {},
      make("summary", {}, "Files"),
      make("div", { className: "scroll" }, make("table", {}, make("tbody", {}, ...fileRows))),
    ),
  );
}

/** Takes a consent back; there is nothing to see of it where none was given. */
function forgetButton(sha256: string): HTMLButtonElement {
  const control = make("button", {
    type: "button",
    textContent: "Forget it: keep it no longer in this browser",
    hidden: true,
  });
  list().then((kept) => {
    control.hidden = !kept.some((world) => world.sha256 === sha256);
  });
  control.onclick = async () => {
    await forget(sha256);
    control.hidden = true;
    announce("Forgotten. It is asked for again when it is opened the next time.");
  };
  return control;
}
