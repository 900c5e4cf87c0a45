/** Convolutions: which kernel does them, and the picture with the border that it wants. */
import { integer, integers, text, unsupported } from "./attributes";
import type { Buffer, View } from "./expression";
import { pending } from "./expression";
import { type Layout, reshape } from "./layout";
import type { Lowering } from "./lower";
import { viewOf } from "./matmul";
import type { Node } from "./onnx";
import { expressed, type Value } from "./value";

/** A convolution as a product: by Winograd's tiles where they fit, or of patches that are read in place. */
export function convolution(at: Lowering, node: Node): Value {
  const value = at.value(node, 0);
  const weights = at.known(at.value(node, 1));
  const [filters, channels, down, across] = at.value(node, 1).shape as [number, number, number, number];
  const [n, c, height, width] = value.shape as [number, number, number, number];
  const pads = integers(node, "pads", [0, 0, 0, 0]) as [number, number, number, number];
  const strides = integers(node, "strides", [1, 1]) as [number, number];
  const dilations = integers(node, "dilations", [1, 1]) as [number, number];
  const sound =
    value.shape.length === 4 &&
    at.value(node, 1).shape.length === 4 &&
    n === 1 &&
    c === channels &&
    integer(node, "group", 1) === 1 &&
    pads.length === 4 &&
    pads.every((pad) => pad >= 0 && pad < 64) &&
    [...strides, ...dilations].every((step) => step >= 1) &&
    ["NOTSET", "VALID"].includes(text(node, "auto_pad", "NOTSET"));
  if (!weights || !sound) throw unsupported(node, "a plain convolution of one picture by constant weights");
  const reach = (taps: number, dilation: number) => (taps - 1) * dilation + 1;
  const outHeight = Math.floor((height + pads[0] + pads[2] - reach(down, dilations[0])) / strides[0]) + 1;
  const outWidth = Math.floor((width + pads[1] + pads[3] - reach(across, dilations[1])) / strides[1]) + 1;
  if (outHeight < 1 || outWidth < 1) throw unsupported(node, "a picture larger than the filter");
  const picture = { height: outHeight, width: outWidth, channels, filters, precision: at.precisionOf(node) };

  const unpadded = pads.every((pad) => pad === 0) && value.kind === "expression" && value.expression.kind === "load";
  const seen = unpadded ? viewOf(at, value) : null;
  const pointwise = [down, across, ...strides].every((size) => size === 1); // walks any axes, however they lie
  const input = seen && (pointwise || seen.layout.every((axis) => axis.length < 2)) ? seen : padded(at, value, pads);
  const plain = [down, across].every((taps) => taps === 3) && [...strides, ...dilations].every((step) => step === 1);
  const isPlain = plain && pads.every((pad) => pad === 1);
  const result = (isPlain && at.kernels.winograd({ ...picture, input, weights })) || patches(at);
  if (!result) throw unsupported(node, "axes that go together");
  const rows = expressed([1, outHeight * outWidth, filters], pending(result));
  const sum = at.transpose(at.reshape(rows, [1, outHeight, outWidth, filters]), [0, 3, 1, 2]);
  if (!at.has(node, 2)) return sum;
  return at.apply("add", sum, at.reshape(at.value(node, 2), [filters, 1, 1]));

  /** [1, pixels, channels · taps] × [1, channels · taps, filters] */
  function patches(lowering: Lowering) {
    const [, cell, line, column] = input.layout as [never, Layout[number], Layout[number], Layout[number]];
    const step = (axis: Layout[number]) => axis[0]?.stride ?? 0;
    const walk = (axis: Layout[number], size: number, by: number) =>
      size === 1 ? [] : [{ size, stride: step(axis) * by }];
    const left: View = {
      ...input,
      layout: [
        [],
        pointwise
          ? [...line, ...column]
          : [...walk(line, outHeight, strides[0]), ...walk(column, outWidth, strides[1])],
        [...cell, ...walk(line, down, dilations[0]), ...walk(column, across, dilations[1])],
      ],
    };
    const matrix = reshape((weights as View).layout, [1, filters, channels * down * across]);
    if (!matrix) return null;
    const right: View = { ...(weights as View), layout: [matrix[0] ?? [], matrix[2] ?? [], matrix[1] ?? []] };
    return lowering.kernels.product({
      left: [left],
      right: [right],
      label: `conv ${down}×${across}`,
      precision: picture.precision,
    });
  }
}

/** Copies a picture [1, C, H, W] to pixels of C channels with a border of zeros. */
function padded(
  at: Lowering,
  value: Value,
  [top, left, bottom, right]: readonly [number, number, number, number],
): View {
  const [, channels, height, width] = value.shape as [number, number, number, number];
  const line = channels * (width + left + right);
  const buffer: Buffer = {
    kind: "float32",
    size: line * (height + top + bottom),
    place: "padded",
    shape: [channels, height, width, top, left, bottom, right].join(),
  };
  const axis = (size: number, stride: number) => (size === 1 ? [] : [{ size, stride }]);
  const layout = (h: number, w: number): Layout => [[], axis(channels, 1), axis(h, line), axis(w, channels)];
  at.store(value, { buffer, layout: layout(height, width), offset: top * line + left * channels });
  return { buffer, layout: layout(height + top + bottom, width + left + right), offset: 0 };
}
