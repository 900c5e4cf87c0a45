/**
 * What is printed on the keys of this person's keyboard. `KeyboardEvent.code` says where a key lies; its letter depends on
 * the layout, which browsers tell where they have `navigator.keyboard` (Chromium). Elsewhere keys have their US names.
 */
import { BehaviorSubject } from "rxjs";
import { keyName } from "../action/bindings";

interface LayoutMap {
  get(code: string): string | undefined;
}

/** A function from a key's code to its name, and every change of it. */
export const keyLabels = new BehaviorSubject<(code: string) => string>(keyName);

/** Asks for the layout now; call it again when it may have changed. */
export async function loadKeyLabels(): Promise<void> {
  const { keyboard } = navigator as { keyboard?: { getLayoutMap?(): Promise<LayoutMap> } };
  const layout = await keyboard?.getLayoutMap?.().catch((error: Error) => {
    console.info(`Keys have their US names: ${error.message}`); // in a frame that isn't allowed to know
  });
  if (layout) keyLabels.next((code) => printed(layout.get(code)) ?? keyName(code));
}

/** A letter as it is printed: upper case, but for those that have none of one letter. */
function printed(character: string | undefined): string | undefined {
  if (!character?.trim()) return undefined;
  const upper = character.toUpperCase();
  return upper.length === character.length ? upper : character;
}
