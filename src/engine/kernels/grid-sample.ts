/**
 * Sampling at places of a picture: each pixel of the target is mixed from the 2 × 2 or, cubic, the 4 × 4 pixels around its
 * place. Places outside are those on the border, so that no address leaves the picture. Pixels lie channel by channel, four
 * of which are mixed at once.
 */
import type { Buffer, View } from "../expression";
import { addressOf, type Program, storeLanes } from "../program";
import { type Code, Func, f32x4, get, i32, type Local, set, v128 } from "../wasm";

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
  /** Cubic or linear along both axes. */
  readonly cubic: boolean;
}

/** A neighbour along one axis: its offset in bytes, and how much of it is taken. */
interface Tap {
  readonly offset: Local;
  readonly share: Local;
}

export const CUBIC = -0.75; // slope of the cubic kernel's outer part, as in ONNX

export function addGridSample(program: Program, sampling: Sampling): void {
  const { picture, grid, target, height, width, channels, pixels, cubic } = sampling;
  const func = new Func(5);
  const [first, last, source, places, out] = func.params as [Local, Local, Local, Local, Local];
  const [pixel, place, to] = [func.local("i32"), func.local("i32"), func.local("i32")];

  /** The taps along one axis. `size`: pixels; `stride`: bytes from one to the next. */
  function taps(offset: number, size: number, stride: number): Tap[] {
    const given = v128.load32Splat(get(place), offset);
    const at = f32x4.sub(f32x4.mul(f32x4.add(given, v128.f32(1)), v128.f32(size / 2)), v128.f32(0.5));
    const beyond = cubic ? 2 : 0; // further outside all taps are the border
    const inside = clamped(at, -beyond, size - 1 + beyond);
    const positive = func.let("v128", f32x4.add(inside, v128.f32(beyond)));
    const cell = func.let("v128", f32x4.trunc(get(positive)));
    const t = func.let("v128", f32x4.sub(get(positive), get(cell)));
    const shares = cubic ? cubicShares(func, t) : [func.let("v128", f32x4.sub(v128.f32(1), get(t))), t];
    return shares.map((share, k) => {
      const index = f32x4.add(get(cell), v128.f32(k - (cubic ? 1 : 0) - beyond));
      return { offset: func.let("i32", i32.mul(i32.truncLane(clamped(index, 0, size - 1)), i32.const(stride))), share };
    });
  }

  func.range(pixel, get(first), get(last), 1, () => {
    func.add(set(place, i32.add(get(places), i32.mul(get(pixel), i32.const(8)))));
    func.add(set(to, i32.add(get(out), i32.mul(get(pixel), i32.const(4 * channels)))));
    const across = taps(0, width, 4 * channels);
    const down = taps(4, height, 4 * channels * width);
    for (let channel = 0; channel < channels; channel += 4) {
      const sum = weighted(func, down, (row) => {
        const line = func.let("i32", i32.add(get(source), get(row.offset)));
        return get(weighted(func, across, (column) => v128.load(i32.add(get(line), get(column.offset)), 4 * channel)));
      });
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

/** Within bounds, whatever it is: what isn't a number becomes a bound. */
const clamped = (value: Code, least: number, most: number): Code =>
  f32x4.pmin(v128.f32(most), f32x4.pmax(v128.f32(least), value));

/** Shares of the four pixels around a place, `t` beyond the second of them. */
function cubicShares(func: Func, t: Local): Local[] {
  const rest = func.let("v128", f32x4.sub(v128.f32(1), get(t)));
  const both = func.let("v128", f32x4.mul(v128.f32(CUBIC), f32x4.mul(get(t), get(rest))));
  const before = func.let("v128", f32x4.mul(get(both), get(rest)));
  const last = func.let("v128", f32x4.mul(get(both), get(t)));
  const slope = f32x4.sub(f32x4.mul(v128.f32(CUBIC + 2), get(t)), v128.f32(CUBIC + 3));
  const first = func.let("v128", f32x4.add(f32x4.mul(f32x4.mul(slope, get(t)), get(t)), v128.f32(1)));
  const others = f32x4.add(f32x4.add(get(before), get(first)), get(last));
  return [before, first, func.let("v128", f32x4.sub(v128.f32(1), others)), last];
}

/** The sum of what `read` gives for each tap, by its share. */
function weighted(func: Func, taps: readonly Tap[], read: (tap: Tap) => Code): Local {
  const products = taps.map((tap) => func.let("v128", f32x4.mul(read(tap), get(tap.share))));
  return products.reduce((sum, product) => func.let("v128", f32x4.add(get(sum), get(product))));
}
