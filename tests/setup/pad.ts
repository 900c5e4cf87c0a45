/** A pad of the standard layout that a test works, plugged in from the beginning. */
import type { Page } from "playwright-core";

/** Before the page loads. */
export const plugPad = (page: Page) =>
  page.addInitScript(() => {
    const buttons = Array.from({ length: 17 }, () => ({ value: 0, pressed: false, touched: false }));
    const pad = { id: "Test pad", index: 0, mapping: "standard", connected: true, axes: [0, 0, 0, 0], buttons };
    navigator.getGamepads = () => [pad as unknown as Gamepad, null, null, null];
    const set = (button: number, value: number) =>
      buttons.splice(button, 1, { value, pressed: value > 0, touched: value > 0 });
    Object.assign(window, { pad: set });
  });

/** Presses a button for long enough to be seen by the page, which looks once a frame. */
export async function pressPad(page: Page, button: number, whileHeld: () => Promise<unknown> = async () => undefined) {
  const nextFrames = () =>
    page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await page.evaluate(`pad(${button}, 1)`);
  await nextFrames();
  await whileHeld();
  await page.evaluate(`pad(${button}, 0)`);
  await nextFrames();
}

/** Indices of buttons. */
export const PAD = { A: 0, B: 1, LEFT_BUMPER: 4, VIEW: 8, MENU: 9, DOWN: 13 } as const;
