/**
 * Bilinear sampling: each pixel of the target is mixed from the four neighbours of a place in a picture. Places outside are
 * those on its border, so that no address leaves it. Pixels lie channel by channel, four of which are mixed at once.
 */
import type { Buffer, View } from "../expression";
import { addressOf, type Program, storeLanes } from "../program";
import { Func, f32x4, get, i32, type Local, set, v128 } from "../wasm";

export interface Sampling {
  /** float32 [height, width, channels], dense. */
  readonly picture: View;
  /** float32 [pixels, 2], dense: x and y, −1 and 1 are the picture's edges. */
  readonly grid: View;
  /** float32 [pixels, channels], dense. */
  readonly target: View;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly pixels: number;
}

export function addGridSample(program: Program, sampling: Sampling): void {
  const { picture, grid, target, height, width, channels, pixels } = sampling;
  const func = new Func(5);
  const [first, last, source, places, out] = func.params as [Local, Local, Local, Local, Local];
  const [pixel, place, to] = [func.local("i32"), func.local("i32"), func.local("i32")];
  const sum = func.local("v128");

  /** Along one axis: addresses' offsets of both neighbours, and the share of the second. */
  function neighbours(offset: number, size: number, stride: number) {
    const given = v128.load32Splat(get(place), offset);
    const at = f32x4.sub(f32x4.mul(f32x4.add(given, v128.f32(1)), v128.f32(size / 2)), v128.f32(0.5));
    const inside = func.let("v128", f32x4.min(f32x4.max(at, v128.f32(0)), v128.f32(size - 1)));
    const cell = func.let("i32", i32.truncLane(get(inside)));
    const share = func.let("v128", f32x4.sub(get(inside), f32x4.trunc(get(inside))));
    const next = func.let(
      "i32",
      i32.mul(i32.add(get(cell), i32.lt(get(cell), i32.const(size - 1))), i32.const(stride)),
    );
    func.add(set(cell, i32.mul(get(cell), i32.const(stride))));
    return { cell, next, share };
  }

  func.range(pixel, get(first), get(last), 1, () => {
    func.add(set(place, i32.add(get(places), i32.mul(get(pixel), i32.const(8)))));
    func.add(set(to, i32.add(get(out), i32.mul(get(pixel), i32.const(4 * channels)))));
    const x = neighbours(0, width, 4 * channels);
    const y = neighbours(4, height, 4 * channels * width);
    const corner = (down: Local, across: Local) =>
      func.let("i32", i32.add(get(source), i32.add(get(down), get(across))));
    const [a, b] = [corner(y.cell, x.cell), corner(y.cell, x.next)];
    const [c, d] = [corner(y.next, x.cell), corner(y.next, x.next)];
    for (let channel = 0; channel < channels; channel += 4) {
      const mixed = (left: Local, right: Local) => {
        const from = func.let("v128", v128.load(get(left), 4 * channel));
        return func.let("v128", mix(from, v128.load(get(right), 4 * channel), x.share));
      };
      const [upper, lower] = [mixed(a, b), mixed(c, d)];
      func.add(set(sum, mix(upper, get(lower), y.share)));
      const address = i32.add(get(to), i32.const(4 * channel));
      storeLanes(func, target.buffer, address, sum, 1, Math.min(4, channels - channel));
    }
  });
  const buffers: Buffer[] = [picture.buffer, grid.buffer];
  program.steps.push({
    phase: "lookup",
    label: "grid sample",
    func,
    args: [picture, grid, target].map(addressOf),
    reads: buffers,
    writes: [target.buffer],
    work: pixels,
    flops: 0,
    executed: 0,
  });
}

/** a + (b − a) · share */
const mix = (a: Local, b: ReturnType<typeof get>, share: Local) =>
  f32x4.add(get(a), f32x4.mul(f32x4.sub(b, get(a)), get(share)));
