/** Access to the page's own elements, typed; `index.html` is where they are. */

/** The element with this id. @throws TypeError when index.html and the code have drifted apart */
export function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new TypeError(`index.html: expected a ${type.name} with the id "${id}", got ${found?.tagName ?? "nothing"}.`);
}

export const button = (id: string) => element(id, HTMLButtonElement);

/** A new element with text and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Asks a person for a file. @param accept kinds, as a file input has them. @param take not called where none is chosen */
export function chooseFile(accept: string, take: (file: File) => void): void {
  const input = make("input", { type: "file", accept });
  input.onchange = () => {
    const [file] = input.files ?? [];
    if (file) take(file);
  };
  input.click();
}

/**
 * After a click with the mouse the keys belong to the world again, or the space bar would press the button once more.
 * Whoever goes by keyboard (the browser shows a focus ring then) stays where they are.
 */
export function giveKeysBack(): void {
  const focused = document.activeElement;
  if (focused instanceof HTMLElement && !focused.matches(":focus-visible")) focused.blur();
}
