/** Pictures at other places: enlarged by even interpolation, or sampled where a grid says. */
import { UnsupportedGraphError } from "../errors";
import { integer, text, unsupported } from "./attributes";
import { constantView, load, workView } from "./expression";
import type { Lowering } from "./lower";
import { matmul } from "./matmul";
import type { Node } from "./onnx";
import { expressed, type Value } from "./value";

/** Linear interpolation along height and width, as two products by matrices of shares. */
export function resize(at: Lowering, node: Node): Value {
  const value = at.value(node, 0);
  const mode = text(node, "coordinate_transformation_mode", "half_pixel");
  const sound =
    value.shape.length === 4 &&
    text(node, "mode", "nearest") === "linear" &&
    ["half_pixel", "pytorch_half_pixel"].includes(mode) &&
    integer(node, "antialias", 0) === 0;
  if (!sound) throw unsupported(node, "linear interpolation of half pixels of [N, C, H, W]");
  const sizes = at.has(node, 3)
    ? at.numbers(node, 3)
    : at.numbers(node, 2).map((scale, axis) => Math.floor(scale * (value.shape[axis] as number)));
  const [n, c, height, width] = sizes as [number, number, number, number];
  if (n !== value.shape[0] || c !== value.shape[1]) throw unsupported(node, "other sizes of height and width alone");
  const across = matmul(at, value, shares(value.shape[3] as number, width), { label: "resize" });
  const turned = at.transpose(across, [0, 1, 3, 2]);
  const down = matmul(at, turned, shares(value.shape[2] as number, height), { label: "resize" });
  return at.transpose(down, [0, 1, 3, 2]);
}

const MOST = 1024; // pixels of a side

/** [from, to]: how much of each old pixel is in each new one. */
function shares(from: number, to: number): Value {
  if (!(Number.isInteger(to) && to >= 1 && to <= MOST && from <= MOST)) {
    throw new UnsupportedGraphError(`Resize: expected sides of 1 to ${MOST}, got ${from} and ${to}`);
  }
  const data = new Float32Array(from * to);
  for (let pixel = 0; pixel < to; pixel++) {
    const place = Math.min(from - 1, Math.max(0, ((pixel + 0.5) * from) / to - 0.5));
    const cell = Math.min(Math.floor(place), Math.max(0, from - 2));
    const share = place - cell;
    data[cell * to + pixel] = 1 - share;
    if (share > 0) data[(cell + 1) * to + pixel] = share;
  }
  return expressed([from, to], load(constantView([from, to], data)));
}

export function gridSample(at: Lowering, node: Node): Value {
  const [value, grid] = [at.value(node, 0), at.value(node, 1)];
  const [n, channels, height, width] = value.shape as [number, number, number, number];
  const mode = text(node, "mode", "linear");
  const cubic = ["cubic", "bicubic"].includes(mode);
  const sound =
    value.shape.length === 4 &&
    grid.shape.length === 4 &&
    n === 1 &&
    grid.shape[0] === 1 &&
    grid.shape[3] === 2 &&
    (cubic || ["linear", "bilinear"].includes(mode)) &&
    text(node, "padding_mode", "zeros") === "border" &&
    integer(node, "align_corners", 0) === 0;
  if (!sound) throw unsupported(node, "linear or cubic sampling of one picture up to its border");
  const [, down, across] = grid.shape as [number, number, number, number];
  const pixels = down * across;
  const target = workView([1, down, across, channels]);
  const picture = at.dense(at.transpose(value, [0, 2, 3, 1]));
  at.kernels.gridSample({ picture, grid: at.dense(grid), target, height, width, channels, pixels, cubic });
  return at.transpose(expressed([1, down, across, channels], load(target)), [0, 3, 1, 2]);
}
