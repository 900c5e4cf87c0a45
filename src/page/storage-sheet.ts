/** What this page keeps on the device: the worlds that play offline, their size, and how to be rid of them. */
import { forget, type KeptPackage, listKept } from "../model/package-caches";
import { make } from "./elements";
import { installOffer, OFFLINE, offlineState } from "./offline";

/**
 * A part of the settings, and whatever else wants it.
 * @param playing hash of the package that is open
 */
export function storageView(playing?: string): HTMLElement {
  const state = make("p", { className: "note", textContent: "Looking at what is kept …" });
  const list = make("ul", { className: "stored" });
  const note = make("p", { className: "note" });
  note.setAttribute("role", "status");
  const choices = make("div", { className: "choices" });
  const view = make("section", {}, state, list, choices, note);

  async function fill(focus?: number): Promise<void> {
    state.textContent = OFFLINE[await offlineState()];
    const canKeep = "caches" in window;
    const kept = canKeep ? await listKept() : [];
    list.replaceChildren(...kept.map((one) => row(one, one.sha256 === playing, () => remove(one, kept.indexOf(one)))));
    list.hidden = kept.length === 0;
    choices.replaceChildren(...(canKeep ? [await room(), ...(await offers(say))] : []));
    if (focus !== undefined) {
      const buttons = view.querySelectorAll<HTMLElement>("button");
      buttons[Math.min(focus, buttons.length - 1)]?.focus();
    }
  }
  async function remove(one: KeptPackage, index: number): Promise<void> {
    await forget(one);
    await fill(index);
    say(`${one.title ?? "The unfinished world"} is deleted: ${size(one.bytes)} are free again.`);
  }
  const say = (text: string) => {
    note.textContent = text;
  };
  const tell = (error: Error) => say(`The browser doesn't say what is kept: ${error.message}`);
  void fill().catch(tell);
  return view;
}

function row({ title, sha256, bytes }: KeptPackage, isOpen: boolean, remove: () => Promise<void>): HTMLElement {
  const name = title ?? "An unfinished world";
  const button = make("button", { type: "button", textContent: "Delete", ariaLabel: `Delete ${name}` });
  button.onclick = () => {
    button.disabled = true;
    void remove();
  };
  const text = make("span", {}, make("strong", { textContent: name }), isOpen ? " (open)" : "");
  const hash = make("code", { textContent: sha256.slice(0, 12), title: `sha256 of the package: ${sha256}` });
  return make("li", {}, text, make("span", { textContent: size(bytes) }), hash, button);
}

/** How full the room is that the browser gives this site. */
async function room(): Promise<HTMLElement> {
  const { usage = 0, quota = 0 } = (await navigator.storage?.estimate()) ?? {};
  const of = quota > 0 ? ` of ${size(quota)} that the browser gives it` : "";
  return make("p", {
    className: "note",
    textContent: `This site takes ${size(usage)}${of}, the page itself included.`,
  });
}

async function offers(say: (text: string) => void): Promise<HTMLElement[]> {
  const buttons: HTMLElement[] = [];
  const install = installOffer();
  if (install) {
    const button = make("button", { type: "button", textContent: "Install Worldloop" });
    button.onclick = () => {
      button.remove();
      void install();
    };
    buttons.push(button);
  }
  if (navigator.storage?.persist && !(await navigator.storage.persisted())) {
    const button = make("button", { type: "button", textContent: "Keep it when room gets short" });
    button.onclick = async () => {
      const granted = await navigator.storage.persist();
      if (granted) button.remove();
      say(
        granted
          ? "The browser deletes nothing of it by itself now."
          : "The browser declined; it may delete worlds that haven't been played for long. Installed pages have better chances.",
      );
    };
    buttons.push(button);
  }
  return buttons;
}

const size = (bytes: number) =>
  bytes < 1e6
    ? `${(bytes / 1e3).toFixed(0)} kB`
    : bytes < 1e9
      ? `${(bytes / 1e6).toFixed(1)} MB`
      : `${(bytes / 1e9).toFixed(1)} GB`;
