/**
 * The elements that belong to an open world, those marked `data-world` in index.html. When the world is left they are
 * replaced by copies of what the page came with: whatever was connected to them, shown in them or opened over them goes
 * with the old ones. What listens elsewhere (the window, the document) ends with the visit's signal.
 */
const originals = [...document.querySelectorAll("[data-world]")].map((element) => element.cloneNode(true));

export function renewElements(): void {
  // A dialog's closing is told to those who wait for it (timers of the settings), though nobody sees it any more.
  for (const dialog of document.querySelectorAll<HTMLDialogElement>("[data-world]:is(dialog)")) dialog.close();
  [...document.querySelectorAll("[data-world]")].forEach((element, index) => {
    const original = originals[index];
    if (original) element.replaceWith(original.cloneNode(true));
  });
  delete document.body.dataset.tick;
}
