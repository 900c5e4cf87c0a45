/** Softmax over dense rows: a thread for each short one, else a workgroup. */
import type { View } from "../expression";
import { addDispatch, type GpuProgram, groupsFor, itemOf, Shader, THREADS } from "./dispatch";
import { foldLines } from "./mean";

const SHORT = 16;

export function addSoftmax(program: GpuProgram, input: View, target: View, rows: number, length: number): void {
  const shader = new Shader();
  const from = (row: string, i: string) => shader.at(input, `${row} * ${length}u + ${i}`);
  const to = (row: string, i: string) => shader.at(target, `${row} * ${length}u + ${i}`);
  const isShort = length <= SHORT;
  const { lines } = shader.main;
  const row = isShort ? itemOf(shader, rows) : "group";
  const [begin, step] = isShort ? ["0u", "1u"] : ["thread", `${THREADS}u`];
  const along = (body: string) => `for (var i = ${begin}; i < ${length}u; i += ${step}) { ${body} }`;
  const across = (name: string, both: string) => {
    if (isShort) return;
    lines.push(
      `shared_${name}[thread] = ${name};`,
      ...foldLines(`shared_${name}`, both),
      `${name} = shared_${name}[0];`,
    );
    shader.declarations.push(`var<workgroup> shared_${name}: array<f32, ${THREADS}>;`);
  };
  lines.push(`var largest = ${from(row, "0u")};`, along(`largest = max(largest, ${from(row, "i")});`));
  across("largest", "max(shared_largest[thread], shared_largest[thread + half])");
  lines.push("var total = 0.0;", along(`total += power(${from(row, "i")} - largest);`));
  across("total", "shared_total[thread] + shared_total[thread + half]");
  lines.push(along(`${to(row, "i")} = power(${from(row, "i")} - largest) / total;`));
  addDispatch(program, shader, {
    phase: "softmax",
    label: "softmax",
    workgroups: isShort ? groupsFor(rows) : rows,
    reads: [input.buffer],
    writes: [target.buffer],
    flops: 0,
  });
}
