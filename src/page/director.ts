/**
 * The director's line: what the world is told in words, from the next tick on, while one plays. Only worlds that take
 * prompts show it. Words are completed and judged by the package's own (`completion.ts`); telling is the session's.
 */
import { PromptError } from "../errors";
import { parseWords, toldAt, type Words } from "../model/prompt";
import { completed, completionsOf, createPromptHistory, meaninglessIn } from "./completion";
import { element, make } from "./elements";
import { announce, complain } from "./notices";
import type { Session } from "./session";
import { keep, recall } from "./settings";
import "./director.css";

/** Puts the cursor into the line. */
export const focusDirector = (): void => element("prompt", HTMLInputElement).focus();

/** @returns a way to let go */
export function connectDirector(session: Session): () => void {
  const { world, signal } = session;
  const { prompt } = world.manifest;
  if (prompt) {
    const connect = (contents: Uint8Array) => signal.aborted || show(session, parseWords(contents, prompt.width));
    world.readWords().then(connect, (error: Error) => signal.aborted || complain("Its words can't be read", error));
  }
  return () => undefined; // what is connected to goes with its elements
}

function show(session: Session, words: Words): void {
  const { world, loop } = session;
  const form = element("director", HTMLFormElement);
  const input = element("prompt", HTMLInputElement);
  const list = element("prompt-words", HTMLUListElement);
  const note = element("prompt-note", HTMLElement);
  const now = element("prompt-now", HTMLElement);
  const kept = `prompts:${world.manifest.name}`;
  const history = createPromptHistory(recall(kept));
  let chosen = -1; // of the words that are offered

  const options = () => [...list.children] as HTMLElement[];
  const choose = (index: number) => {
    chosen = index;
    for (const [i, option] of options().entries()) option.setAttribute("aria-selected", String(i === index));
    if (index < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", options()[index]?.id ?? "");
  };
  const offer = (found: readonly string[]) => {
    list.replaceChildren(...found.map(optionOf));
    list.hidden = found.length === 0;
    input.setAttribute("aria-expanded", String(found.length > 0));
    choose(-1);
  };
  const optionOf = (word: string, index: number) => {
    const option = make("li", { id: `prompt-word-${index}`, role: "option", textContent: word });
    option.onpointerdown = (event) => event.preventDefault(); // the line keeps the focus
    option.onclick = () => take(word);
    return option;
  };
  const take = (word: string) => {
    input.value = completed(input.value, word);
    judge();
    offer([]);
    input.focus();
  };
  const say = (text: string, wrong: boolean) => {
    note.textContent = text;
    input.toggleAttribute("aria-invalid", wrong);
  };
  const judge = () => {
    const lost = meaninglessIn(input.value, words);
    say(lost.length > 0 ? `Means nothing here: ${lost.join(", ")}.` : "", false);
  };
  const tell = () => {
    try {
      const { text, unknown } = words.encode(input.value);
      session.tell(text);
      history.add(text);
      keep(kept, history.all);
      input.value = "";
      offer([]);
      say(unknown.length > 0 ? `Told; nothing was meant by ${unknown.join(", ")}.` : "", false);
      announce(`Told: ${text}`);
      element("view", HTMLElement).focus(); // the keys drive again
    } catch (error) {
      if (!(error instanceof PromptError)) throw error;
      say(error.message, true);
    }
  };

  form.onsubmit = (event) => {
    event.preventDefault();
    tell();
  };
  input.oninput = () => {
    judge();
    offer(completionsOf(input.value, words));
  };
  input.onblur = () => offer([]);
  input.onkeydown = (event) => {
    const count = list.hidden ? 0 : options().length;
    const word = options()[chosen]?.textContent;
    if ((event.key === "Enter" || event.key === "Tab") && word && !event.shiftKey) take(word);
    else if (event.key === "ArrowDown" && chosen + 1 < count) choose(chosen + 1);
    else if (event.key === "ArrowUp" && chosen >= 0) choose(chosen - 1);
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      input.value = history.move(event.key === "ArrowUp" ? -1 : 1, input.value);
      judge();
      offer([]);
    } else if (event.key === "Escape" && count > 0) offer([]);
    else if (event.key === "Escape") element("view", HTMLElement).focus();
    else return;
    event.preventDefault();
  };

  const showNow = () => {
    const text = toldAt(session.told(), session.frame()?.tick ?? 0);
    now.textContent = text === undefined ? "" : `Now: ${text}`;
  };
  loop.frames.subscribe(({ action, prompt }) => {
    if (action === null || prompt !== undefined) showNow(); // after a reset, a rewind or another tick, too
  });
  form.hidden = false;
}
