import { expect, it, vi } from "vitest";
import { createGuideCanvas } from "./guide-canvas";

/** A canvas that keeps what it is asked to draw, all of it red. */
function fakeCanvas() {
  const context = {
    setTransform: vi.fn(),
    fillRect: vi.fn(),
    drawImage: vi.fn(),
    getImageData: (_x: number, _y: number, width: number, height: number) => ({
      data: new Uint8ClampedArray(width * height * 4).map((_, i) => (i % 4 === 0 || i % 4 === 3 ? 255 : 0)),
    }),
  };
  return { context, canvas: { getContext: () => context } as unknown as HTMLCanvasElement };
}

const image = {} as CanvasImageSource;

it.each([
  { of: { width: 640, height: 480 }, crop: [80, 0, 480, 480] },
  { of: { width: 480, height: 640 }, crop: [0, 80, 480, 480] },
  { of: { width: 8, height: 8 }, crop: [0, 0, 8, 8] },
])("covers the world's size with the middle of $of.width × $of.height", ({ of, crop }) => {
  const { context, canvas } = fakeCanvas();
  const rgb = createGuideCanvas({ width: 64, height: 64 }, canvas)(image, of);
  expect(context.drawImage).toHaveBeenCalledWith(image, ...crop, 0, 0, 64, 64);
  expect(context.setTransform).toHaveBeenCalledWith(1, 0, 0, 1, 0, 0);
  expect(rgb.length).toBe(64 * 64 * 3);
  expect([...rgb.subarray(0, 6)]).toEqual([255, 0, 0, 255, 0, 0]);
});

it("mirrors about the middle", () => {
  const { context, canvas } = fakeCanvas();
  createGuideCanvas({ width: 16, height: 16 }, canvas)(image, { width: 16, height: 16 }, true);
  expect(context.setTransform).toHaveBeenCalledWith(-1, 0, 0, 1, 16, 0);
});

it("says so where there is no canvas", () => {
  const without = { getContext: () => null } as unknown as HTMLCanvasElement;
  expect(() => createGuideCanvas({ width: 1, height: 1 }, without)).toThrow(/no memory/);
});
