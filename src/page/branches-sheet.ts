/** The branches of the session: their names, where they part, and going to them. Loaded when first opened. */
import type { Branch } from "../model/branch-tree";
import { cleanName } from "../record/session-file";
import { make } from "./elements";
import { announce } from "./notices";
import type { Session } from "./session";
import { openSheet } from "./sheet";
import { pictureOf } from "./strip";
import { branchesChanged, clockTime } from "./timeline-bar";

export function openBranches(session: Session): void {
  const { loop, world, seeking } = session;
  const { journal, manifest } = world;
  const list = make("ul", { className: "kept" });
  const note = make("p", { className: "note" });
  note.setAttribute("role", "status");
  const time = (tick: number) => clockTime(tick, manifest.frameRate);

  const row = (branch: Branch): HTMLLIElement => {
    const { id, end, parting } = branch;
    const isPlayed = id === journal.position.branch;
    const canvas = make("canvas", {});
    const picture = journal.thumbnails.before({ branch: id, tick: end })?.value;
    if (picture) pictureOf(canvas, picture);
    const name = make("input", { value: branch.name, maxLength: 80 });
    name.setAttribute("aria-label", `Name of ${branch.name}`);
    name.onchange = () => {
      const next = cleanName(name.value) || branch.name;
      journal.rename(id, next);
      name.value = next;
      note.textContent = `Called “${next}”.`;
      branchesChanged();
    };
    const parent = parting && journal.branches().find((candidate) => candidate.id === parting.branch);
    const start = journal.start({ branch: id, tick: end });
    const cut = start === undefined ? "from the beginning" : `a cut to “${manifest.starts[start]?.title}”`;
    const origin = parting ? `parts from ${parent?.name} at ${time(parting.tick)}` : cut;
    const go = make("button", {
      type: "button",
      textContent: isPlayed ? "Played now" : "Go to its end",
      disabled: isPlayed,
    });
    go.onclick = () => {
      dialog.addEventListener("close", () => void seeking.to({ branch: id, tick: end }), { once: true });
      dialog.close();
      announce(`${branch.name}, ${time(end)}.`);
    };
    const remove = make("button", { type: "button", textContent: "Delete", disabled: isPlayed });
    remove.setAttribute("aria-label", `Delete ${branch.name}`);
    if (isPlayed) remove.title = "The branch that is played can't be deleted: go to another one first.";
    remove.onclick = () => {
      if (remove.textContent === "Delete") {
        remove.textContent = "Really?";
        return;
      }
      journal.remove(id);
      note.textContent = `${branch.name} is gone.`;
      branchesChanged();
      fill();
      list.querySelector<HTMLElement>("input")?.focus();
    };
    remove.onblur = () => {
      remove.textContent = "Delete";
    };
    const made = make(
      "li",
      {},
      canvas,
      make("div", {}, name, make("small", {}, `${time(end)} long, ${end} ticks; ${origin}`)),
      make("div", { className: "buttons" }, go, remove),
    );
    made.setAttribute("aria-current", String(isPlayed));
    return made;
  };
  const fill = () => list.replaceChildren(...journal.branches().map(row));
  fill();
  const dialog = openSheet(
    loop,
    "Branches",
    make(
      "p",
      {},
      "Go back on the timeline and play on from there: what came after stays as a branch of its own. A branch begins" +
        " where what you do differs for the first time.",
    ),
    list,
    note,
  );
}
