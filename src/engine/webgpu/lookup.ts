/** Rows of a table by index, and pixels at other places of a picture: a thread for each element. */
import type { View } from "../expression";
import { CUBIC, type Sampling } from "../kernels/grid-sample";
import type { LookupSize } from "../kernels/lookup";
import { addDispatch, type GpuProgram, groupsFor, itemOf, Shader } from "./dispatch";
import { float } from "./wgsl";

/** Negative indices count from the end; those beyond the table give its first or last row. */
export function addLookup(
  program: GpuProgram,
  table: View,
  index: View,
  target: View,
  { rows, width, count }: LookupSize,
): void {
  const shader = new Shader();
  const item = itemOf(shader, count * width);
  const given = shader.main.let(`i32(${shader.at(index, `${item} / ${width}u`)})`);
  const row = shader.main.let(`u32(clamp(select(${given}, ${given} + ${rows}, ${given} < 0), 0, ${rows - 1}))`);
  shader.main.lines.push(
    `${shader.at(target, item)} = ${shader.at(table, `${row} * ${width}u + ${item} % ${width}u`)};`,
  );
  addDispatch(program, shader, {
    phase: "lookup",
    label: "lookup",
    workgroups: groupsFor(count * width),
    reads: [table.buffer, index.buffer],
    writes: [target.buffer],
    flops: 0,
  });
}

/** Shares of the 2 or 4 pixels around a place, `t` beyond the one before it. */
const LINEAR_SHARES = ["1.0 - t", "t"];
const CUBIC_SHARES = [
  `${float(CUBIC)} * t * (1.0 - t) * (1.0 - t)`,
  `(${float(CUBIC + 2)} * t - ${float(CUBIC + 3)}) * t * t + 1.0`,
  `(${float(CUBIC + 2)} * (1.0 - t) - ${float(CUBIC + 3)}) * (1.0 - t) * (1.0 - t) + 1.0`,
  `${float(CUBIC)} * t * t * (1.0 - t)`,
];

export function addGridSample(program: GpuProgram, sampling: Sampling): void {
  const { picture, grid, target, height, width, channels, pixels, cubic } = sampling;
  const shader = new Shader();
  const shares = cubic ? CUBIC_SHARES : LINEAR_SHARES;
  const before = cubic ? 1 : 0;
  shader.declarations.push(
    `fn share(tap: i32, t: f32) -> f32 {
${shares.map((code, tap) => `if (tap == ${tap}) { return ${code}; }`).join("\n")}
return 0.0;
}`,
  );
  const item = itemOf(shader, pixels * channels);
  const pixel = shader.main.let(`${item} / ${channels}u`);
  const channel = shader.main.let(`${item} % ${channels}u`);
  // Beyond two pixels outside all taps are the border.
  const place = (axis: number, size: number) =>
    shader.main.let(
      `clamp((${shader.at(grid, `2u * ${pixel} + ${axis}u`)} + 1.0) * ${float(size / 2)} - 0.5, ${float(cubic ? -2 : 0)}, ${float(size - 1 + (cubic ? 2 : 0))})`,
    );
  const [x, y] = [place(0, width), place(1, height)];
  const source = shader.at(
    picture,
    `(u32(clamp(i32(floor(${y})) + down - ${before}, 0, ${height - 1})) * ${width}u + u32(clamp(i32(floor(${x})) + across - ${before}, 0, ${width - 1}))) * ${channels}u + ${channel}`,
  );
  shader.main.lines.push(
    "var sum = 0.0;",
    `for (var down = 0; down < ${shares.length}; down++) {`,
    "var line = 0.0;",
    `for (var across = 0; across < ${shares.length}; across++) { line += ${source} * share(across, fract(${x})); }`,
    `sum += line * share(down, fract(${y}));`,
    "}",
    `${shader.at(target, item)} = sum;`,
  );
  addDispatch(program, shader, {
    phase: "lookup",
    label: "grid sample",
    workgroups: groupsFor(pixels * channels),
    reads: [picture.buffer, grid.buffer],
    writes: [target.buffer],
    flops: 0,
  });
}
