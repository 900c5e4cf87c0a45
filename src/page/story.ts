/**
 * The story under the timeline: every branch of the session is a shot, in an order of the person's. Cuts and returns add
 * some while one plays. Loaded when first opened.
 */
import { throttleTime } from "rxjs";
import type { Branch } from "../model/branch-tree";
import { download } from "../record/download";
import { storyOf } from "../record/story-session";
import { button, element, make } from "./elements";
import { announce, complain } from "./notices";
import { openStarts } from "./places";
import { savedSession } from "./saved-session";
import type { Session } from "./session";
import { pictureOf } from "./strip";
import { branchesChanged, clockTime } from "./timeline-bar";
import "./story.css";

/** ms between two looks at what has changed. */
const SHOW_PERIOD = 400;

const connected = new WeakSet<Session>();

/** Shows or hides the shots. */
export function toggleStory(session: Session): void {
  const story = element("story", HTMLElement);
  story.hidden = !story.hidden;
  button("shots").setAttribute("aria-expanded", String(!story.hidden));
  if (!connected.has(session)) connect(session, story);
  connected.add(session);
  branchesChanged(); // shows them
}

const beginOf = ({ parting }: Branch) => parting?.tick ?? 0;

function connect(session: Session, story: HTMLElement): void {
  const { world, loop, seeking, signal } = session;
  const { journal, manifest } = world;
  const list = element("story-shots", HTMLOListElement);
  const rows = new Map<string, Row>(); // by session and branch
  let stop = -1; // the branch whose row the Tab key stops at

  const shots = () => journal.branches().filter((branch) => branch.end > beginOf(branch));
  const find = (id: number) => shots().findIndex((branch) => branch.id === id);
  const rowOf = (id: number): Row => {
    const key = `${journal.session}:${id}`;
    const row = rows.get(key) ?? makeRow({ pick: () => void returnTo(id), go: (by, carry) => go(id, by, carry) });
    rows.set(key, row);
    return row;
  };

  const returnTo = async (id: number) => {
    const { name, end } = shots()[find(id)] ?? { name: "", end: 0 };
    await seeking.to({ branch: id, tick: end });
    journal.part();
    announce(`Back at the end of ${name}. What you do now is another shot.`);
  };
  const go = (id: number, by: -1 | 1, carry: boolean) => {
    if (carry) return move(id, by);
    stop = shots()[find(id) + by]?.id ?? id;
    show();
    rowOf(stop).button.focus();
  };
  const move = (id: number, by: -1 | 1) => {
    const isFocused = document.activeElement === rowOf(id).button;
    const text = journal.move(id, by) ? "is" : "stays: a shot comes behind the one that it goes on from, it is";
    show();
    branchesChanged();
    if (isFocused) rowOf(id).button.focus();
    announce(`${shots()[find(id)]?.name} ${text} shot ${find(id) + 1}.`);
  };

  const show = () => {
    if (story.hidden) return;
    const all = shots();
    if (find(stop) < 0) stop = all[0]?.id ?? -1;
    for (const branch of all) {
      const { id, name, end, parting } = branch;
      const { item, button, canvas, title, note } = rowOf(id);
      const start = journal.start({ branch: id, tick: end });
      const cut = start === undefined ? "from the beginning" : `cut to ${manifest.starts[start]?.title}`;
      const from = parting ? `after ${journal.branches().find((other) => other.id === parting.branch)?.name}` : cut;
      title.textContent = name;
      note.textContent = `${clockTime(end - beginOf(branch), manifest.frameRate)}, ${from}`;
      button.title = note.textContent;
      button.tabIndex = id === stop ? 0 : -1;
      item.setAttribute("aria-current", String(id === journal.position.branch));
      const picture = journal.thumbnails.before({ branch: id, tick: end })?.value;
      if (picture) pictureOf(canvas, picture);
    }
    const order = all.map(({ id }) => rowOf(id).item);
    if (order.length !== list.children.length || order.some((item, i) => item !== list.children[i])) {
      list.replaceChildren(...order);
    }
  };

  button("new-shot").onclick = () => {
    journal.part();
    announce("What you do now is another shot.");
  };
  const cut = (start: number) =>
    void session.cut(start).then(() => announce(`Cut to ${manifest.starts[start]?.title}.`));
  button("cut-to").onclick = () => openStarts(session, cut, "Cut to");
  button("earlier").onclick = () => move(journal.position.branch, -1);
  button("later").onclick = () => move(journal.position.branch, 1);
  button("watch-story").onclick = () => void watchStory(session);
  button("save-shots").onclick = () => {
    try {
      const made = storyOf(savedSession(session, manifest.name), manifest);
      download(new Blob([`${JSON.stringify(made)}\n`], { type: "application/json" }), `${manifest.name}-shots.json`);
      announce(`Saved ${made.shots.length} shots.`);
    } catch (error) {
      complain("The shots can't be saved", error as Error);
    }
  };
  loop.frames.pipe(throttleTime(SHOW_PERIOD, undefined, { leading: true, trailing: true })).subscribe(show);
  document.addEventListener("worldloop:branches", show, { signal });
}

interface Row {
  readonly item: HTMLLIElement;
  readonly button: HTMLButtonElement;
  readonly canvas: HTMLCanvasElement;
  readonly title: HTMLElement;
  readonly note: HTMLElement;
}

interface RowActions {
  pick(): void;
  /** To the neighbour. @param carry takes the shot along */
  go(by: -1 | 1, carry: boolean): void;
}

function makeRow({ pick, go }: RowActions): Row {
  const [canvas, title, note] = [make("canvas", {}), make("span", {}), make("small", {})];
  const button = make("button", { type: "button", onclick: pick }, canvas, title, " ", note);
  button.setAttribute("aria-keyshortcuts", "ArrowLeft ArrowRight Shift+ArrowLeft Shift+ArrowRight");
  button.onkeydown = (event) => {
    const by = { ArrowLeft: -1 as const, ArrowRight: 1 as const }[event.code];
    if (!by || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation(); // or the arrows would drive
    go(by, event.shiftKey);
  };
  return { item: make("li", {}, button), button, canvas, title, note };
}

/** Plays shot after shot, each from the frame that it follows. A touched control takes over; so does going elsewhere. */
export async function watchStory(session: Session): Promise<void> {
  const { world, seeking } = session;
  const { journal } = world;
  for (const branch of journal.branches()) {
    const begin = { branch: branch.id, tick: beginOf(branch) };
    if (begin.tick === branch.end) continue;
    await seeking.to(begin);
    const { position } = journal;
    if (position.branch !== begin.branch || position.tick !== begin.tick || !(await watchShot(session, branch.end)))
      return;
  }
  announce("The story is over.");
}

/** @returns whether it was watched to its end; the world then stands still there */
function watchShot(session: Session, end: number): Promise<boolean> {
  const { loop } = session;
  return new Promise((resolve) => {
    const watching = loop.frames.subscribe({
      next({ frame, action }) {
        const isOver = action !== null && frame.tick >= end;
        if (isOver) loop.pause("The end of a shot.");
        if (!isOver && action !== null && session.replaying()) return;
        watching.unsubscribe();
        resolve(isOver && session.replaying());
      },
      complete: () => resolve(false),
    });
    session.watch();
  });
}
