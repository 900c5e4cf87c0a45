/** What is being typed, completed from a world's words; and what was told before. Knows no element. */
import type { Words } from "../model/prompt";

/** Words that are offered at once. */
const MOST = 6;
const KEPT = 30;

/** The word that ends a text and is still being typed, in small letters; empty after a space or a comma. */
export const endingOf = (text: string): string => /[a-z0-9]*$/i.exec(text)?.[0].toLowerCase() ?? "";

/** Words that go on as the text's last one does: those that the world was told in training first. */
export function completionsOf(text: string, words: Words): string[] {
  const begun = endingOf(text);
  if (begun === "") return [];
  return words.all.filter((word) => word.startsWith(begun) && word !== begun).slice(0, MOST);
}

/** The text with its last word completed. */
export const completed = (text: string, word: string): string =>
  text.slice(0, text.length - endingOf(text).length) + word;

/** Words that mean nothing to the world; the one still being typed is spared while it may become one that does. */
export function meaninglessIn(text: string, words: Words): readonly string[] {
  const begun = endingOf(text);
  const promising = begun !== "" && completionsOf(text, words).length > 0;
  return words.unknown(text).filter((word) => !(promising && word === begun));
}

export interface PromptHistory {
  readonly all: readonly string[];
  add(text: string): void;
  /** The one before or after the one that is shown. @param draft what was typed before anything was shown */
  move(by: -1 | 1, draft: string): string;
}

/** @param kept from an earlier visit, unchecked */
export function createPromptHistory(kept: unknown): PromptHistory {
  let all = (Array.isArray(kept) ? kept : []).filter((text) => typeof text === "string").slice(-KEPT);
  let at = all.length;
  let typed = "";
  return {
    get all() {
      return all;
    },
    add(text) {
      all = [...all.filter((each) => each !== text), text].slice(-KEPT);
      at = all.length;
    },
    move(by, draft) {
      if (at === all.length) typed = draft;
      at = Math.min(all.length, Math.max(0, at + by));
      return all[at] ?? typed;
    },
  };
}
