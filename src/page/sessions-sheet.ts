/** Saving and opening sessions: as files, and those that the browser keeps. Loaded when first opened. */
import { frameSha256 } from "../model/hash";
import { download } from "../record/download";
import { formatSession } from "../record/session-file";
import { type Autosave, livingSessions } from "./autosave";
import { make } from "./elements";
import { announce } from "./notices";
import { goTo, openElsewhere } from "./other-world";
import { savedSession } from "./saved-session";
import type { Session } from "./session";
import type { KeptSession, SessionStore } from "./session-store";
import { openSheet } from "./sheet";
import { pictureOf } from "./strip";
import { OtherWorldError, takeUpFile, takeUpSession } from "./take-up";
import { clockTime } from "./timeline-bar";

/** Where sessions are kept, if this browser keeps any, and how the open world is called. */
export interface Keeping {
  readonly name: string;
  readonly store: SessionStore | undefined;
  readonly autosave: Autosave | undefined;
}

export async function openSessions(session: Session, { name, store, autosave }: Keeping): Promise<void> {
  const { loop, world } = session;
  const note = make("p", { className: "note" });
  note.setAttribute("role", "status");
  const say = (...content: (Node | string)[]) => note.replaceChildren(...content);
  const describe = (kept: KeptSession): string => describeKept(kept, world.manifest.frameRate);
  /** Closes the sheet, then does it: the sheet's own end would set the world running again. */
  const afterwards = (task: () => Promise<void>) => {
    dialog.addEventListener(
      "close",
      () =>
        void task().catch(
          (error: Error) => void openSessions(session, { name, store, autosave }).then(() => fail(error)),
        ),
      { once: true },
    );
    dialog.close();
  };

  const { picture } = session.beginning.value;
  const { width, height } = world.manifest.picture;
  const textContent = picture ? "Save it with my picture" : "Save this session";
  const save = make("button", { type: "button", textContent, className: "primary" });
  if (picture) save.setAttribute("aria-describedby", "own-picture-note");
  save.onclick = async () => {
    try {
      const frame = session.frame();
      const { ids: _, ...saved } = savedSession(session, name);
      const text = formatSession({ ...saved, ...(frame ? { frameSha256: await frameSha256(frame) } : {}) });
      download(new Blob([text], { type: "application/json" }), `${world.manifest.name}-seed${saved.seed}-session.json`);
      say(
        `Saved ${saved.record.branches.length === 1 ? "the session" : `all ${saved.record.branches.length} branches`}.`,
      );
    } catch (error) {
      say((error as Error).message);
    }
  };
  const file = make("input", { type: "file", accept: ".json,.jsonl,application/json" });
  file.onchange = async () => {
    const [chosen] = file.files ?? [];
    if (!chosen) return;
    const text = new Blob([await chosen.arrayBuffer()]); // read while the choice is fresh
    afterwards(() => takeUpFile(session, text, name));
  };

  const list = make("ul", { className: "kept" });
  const fill = async () => {
    const living = await livingSessions(autosave?.id);
    const kept = (await store?.list())?.filter(({ id }) => !living.has(id)) ?? [];
    list.replaceChildren(...kept.map((one) => row(one)));
    forgetAll.hidden = kept.length === 0;
    if (kept.length === 0) {
      list.append(
        make("li", {}, make("span", {}), store ? "None yet." : "This browser keeps none: storage is switched off."),
      );
    }
  };
  const row = (kept: KeptSession): HTMLLIElement => {
    const canvas = make("canvas", {});
    if (kept.thumbnail) pictureOf(canvas, kept.thumbnail);
    const isHere = kept.world === name || kept.packageSha256 === world.packageSha256;
    const go = make("button", { type: "button", textContent: isHere ? "Go on" : `Open ${kept.world}` });
    go.setAttribute("aria-label", `${go.textContent}: ${describe(kept)}`);
    go.onclick = () => {
      if (!isHere) {
        void goTo(kept).catch(fail);
        return;
      }
      afterwards(() => goOn(session, { name, store, autosave }, kept.id));
    };
    const forget = make("button", { type: "button", textContent: "Forget" });
    forget.setAttribute("aria-label", `Forget: ${describe(kept)}`);
    forget.onclick = async () => {
      await store?.forget(kept.id);
      say("Forgotten.");
      await fill();
    };
    const version = kept.world === name && kept.packageSha256 !== world.packageSha256 ? "; another version of it" : "";
    return make(
      "li",
      {},
      canvas,
      make("div", {}, kept.title, make("small", {}, `${describe(kept)}${version}`)),
      make("div", { className: "buttons" }, go, forget),
    );
  };
  const forgetAll = make("button", { type: "button", textContent: "Forget all" });
  forgetAll.onclick = async () => {
    if (forgetAll.textContent === "Forget all") {
      forgetAll.textContent = "Really forget all?";
      return;
    }
    const living = await livingSessions(autosave?.id);
    for (const { id } of (await store?.list()) ?? []) if (!living.has(id)) await store?.forget(id);
    say("All forgotten.");
    await fill();
  };
  forgetAll.onblur = () => {
    forgetAll.textContent = "Forget all";
  };

  await autosave?.save();
  await fill();
  const dialog = openSheet(
    loop,
    "Sessions",
    make("p", {}, "A session is all you did, with every branch. Opened again, it gives the same pictures."),
    ...(picture
      ? [
          make(
            "p",
            { id: "own-picture-note" },
            "You began with a picture of your own, and only with it this session plays again. The file would hold it, at " +
              `${width} × ${height} pixels: whoever gets the file can look at it.`,
          ),
        ]
      : []),
    make("div", { className: "row" }, save),
    make("label", { className: "row" }, "Open a session or an action log", file),
    note,
    make("h3", { textContent: "Kept in this browser" }),
    list,
    forgetAll,
  );

  function fail(error: Error): void {
    announce(error.message);
    const shown = document.querySelector("#sheet .note");
    if (!(shown instanceof HTMLElement)) return;
    shown.replaceChildren(error.message);
    if (!(error instanceof OtherWorldError) || !store) return;
    shown.append(
      " ",
      openElsewhere(store, error.saved, (problem) => shown.replaceChildren(problem.message)),
    );
  }
}

/** Goes on with a session that the browser keeps; what is kept follows it from now on. */
export async function goOn(session: Session, { name, store, autosave }: Keeping, id: string): Promise<void> {
  if (!store) return;
  await autosave?.save(); // what is played now stays to be gone on with
  const { saved, keyframe } = await store.load(id);
  const before = session.world.journal.session;
  await takeUpSession(session, saved, name, keyframe);
  if (session.world.journal.session !== before && navigator.locks) autosave?.replace(id);
}

/** When and how long, in words. */
export function describeKept({ updated, at, branches }: KeptSession, frameRate: number): string {
  const when = new Date(updated).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
  const many = branches.length > 1 ? `, ${branches.length} branches` : "";
  return `${when}, at ${clockTime(at.tick, frameRate)}${many}`;
}
