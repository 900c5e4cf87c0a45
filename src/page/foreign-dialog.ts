/** Asks, in plain words, before a world from elsewhere is opened; then shows how far it has come, and lets one stop it. */
import { AbortedError } from "../errors";
import type { GameLoop } from "../loop/game-loop";
import { element, make } from "./elements";
import { openSheet } from "./sheet";

export interface Question<T> {
  readonly title: string;
  /** What is known of it before it is opened: term and value. */
  readonly facts: readonly (readonly [string, string])[];
  /** Fetches it, or takes it as it is. */
  run(options: { readonly signal: AbortSignal; onProgress(loaded: number, total: number): void }): Promise<T>;
}

const WARNING =
  "It isn't part of this site. It is data and can't run code of its own, read your files or send anything anywhere. " +
  "But nobody here has looked at it: it may show things you don't want to see, or not be what it says it is.";

/**
 * @param loop that waits meanwhile, if a world is open
 * @returns what `run` gave, and whether the world shall be remembered
 * @throws AbortedError when the person says no or stops it; what `run` throws
 */
export async function askToOpen<T>(
  { title, facts, run }: Question<T>,
  loop: GameLoop | undefined,
): Promise<{ readonly opened: T; readonly remember: boolean }> {
  await closeOpenSheet();
  const stop = new AbortController();
  const remember = make("input", { type: "checkbox" });
  const open = make("button", { type: "button", className: "primary", textContent: "Open it" });
  const refuse = make("button", { type: "button", textContent: "Don't open it" });
  const bar = make("progress", { hidden: true });
  bar.setAttribute("aria-label", "Fetching the world");
  const dialog = openSheet(
    loop,
    title,
    make("p", {}, WARNING),
    make(
      "dl",
      {},
      ...facts.map(([term, value]) => make("div", {}, make("dt", {}, term), make("dd", {}, make("code", {}, value)))),
    ),
    make("label", { className: "check" }, remember, "Remember it: keep it in this browser and don't ask again."),
    bar,
    make("div", { className: "row" }, open, refuse),
  );
  refuse.onclick = () => dialog.close();
  return new Promise((resolve, reject) => {
    const refused = () => {
      stop.abort();
      reject(new AbortedError("The world from elsewhere wasn't opened, as you chose."));
    };
    dialog.addEventListener("close", refused, { once: true });
    open.onclick = async () => {
      Object.assign(bar, { hidden: false });
      Object.assign(open, { disabled: true });
      refuse.textContent = "Stop";
      refuse.focus();
      const onProgress = (loaded: number, total: number) => {
        if (total > 0 && loaded <= total) Object.assign(bar, { max: total, value: loaded });
      };
      try {
        resolve({ opened: await run({ signal: stop.signal, onProgress }), remember: remember.checked });
      } catch (error) {
        reject(error);
      }
      dialog.removeEventListener("close", refused);
      dialog.close();
    };
  });
}

/** Says why something that was dropped or chosen isn't opened. */
export async function tellRefusal(
  name: string,
  { message }: Error,
  loop: GameLoop | undefined,
  ...remedies: HTMLButtonElement[]
): Promise<void> {
  await closeOpenSheet();
  const said = make("p", {}, message);
  openSheet(loop, `“${name}” can't be opened`, said, ...remedies);
}

/** Asks for a file that only the person has. @throws AbortedError */
export async function askForFile(name: string, sha256: string | undefined): Promise<File> {
  await closeOpenSheet();
  const choose = make("input", { type: "file", accept: ".zip", id: "foreign-file" });
  const dialog = openSheet(
    undefined,
    "This link is of a world in a file",
    make(
      "p",
      {},
      `It was opened from “${name}” on somebody's device. If you have that file, choose it here or drop it on the page.`,
    ),
    ...(sha256 ? [make("p", {}, "Only the same world opens: sha256 ", make("code", {}, sha256))] : []),
    make("div", { className: "row" }, make("label", { htmlFor: choose.id, textContent: "File" }), choose),
  );
  return new Promise((resolve, reject) => {
    const refused = () => reject(new AbortedError(`The world in “${name}” wasn't opened: no file was chosen.`));
    dialog.addEventListener("close", refused, { once: true });
    choose.onchange = () => {
      const file = choose.files?.[0];
      if (!file) return;
      resolve(file);
      dialog.removeEventListener("close", refused);
      dialog.close();
    };
  });
}

/** There is one sheet; what hangs on its closing shall not be taken for ours. */
async function closeOpenSheet(): Promise<void> {
  const dialog = element("sheet", HTMLDialogElement);
  if (!dialog.open) return;
  const closed = new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  dialog.close();
  await closed;
}
