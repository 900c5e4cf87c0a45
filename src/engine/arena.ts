/**
 * Where every buffer lies in the one linear memory: constants first, then what is kept between ticks, then the work area,
 * in which buffers share addresses when no step needs both. Planned once; nothing is allocated while the program runs.
 */
import { UnsupportedGraphError } from "../errors";
import type { Buffer } from "./expression";
import { type Address, BYTES, type Step, type Table } from "./program";

const ALIGNMENT = 64; // bytes: a cache line
const SLACK = 1024; // bytes after the last buffer: vectors are read whole where a row ends
const PAGE = 65536;
const MAX_BYTES = 2 ** 30;

export interface Arena {
  readonly pages: number; // of 64 KiB
  addressOf(address: Address): number;
  tableOf(table: Table): number;
  /** Writes constants and tables. */
  fill(memory: WebAssembly.Memory): void;
}

interface Life {
  readonly buffer: Buffer;
  readonly from: number; // step
  to: number;
}

/** From the first step that touches a buffer to the last. */
export function livesOf(
  steps: readonly { readonly reads: readonly Buffer[]; readonly writes: readonly Buffer[] }[],
): Life[] {
  const lives = new Map<Buffer, Life>();
  steps.forEach((step, at) => {
    for (const buffer of [...step.reads, ...step.writes]) {
      const life = lives.get(buffer);
      if (life) life.to = at;
      else lives.set(buffer, { buffer, from: at, to: at });
    }
  });
  return [...lives.values()];
}

/** @throws UnsupportedGraphError when it takes more than 1 GiB */
export function planArena(steps: readonly Step[], kept: readonly Buffer[]): Arena {
  const offsets = new Map<Buffer, number>();
  const tables = new Map<string, { readonly table: Table; readonly offset: number }>();
  const tableKeys = new Map<Table, string>();
  const ids = new Map<Buffer, number>();
  let end = PAGE; // address 0 stays unused
  const place = (bytes: number) => {
    const offset = end;
    end = align(end + bytes);
    if (end + SLACK > MAX_BYTES) {
      throw new UnsupportedGraphError(`expected a graph that runs in ${MAX_BYTES} bytes, got one that takes more`);
    }
    return offset;
  };
  const bytesOf = ({ size, kind }: Buffer) => size * BYTES[kind];

  const lives = livesOf(steps);
  for (const step of steps) {
    for (const arg of step.args) {
      if (!Array.isArray(arg)) continue;
      const table = arg as Table;
      const key = table
        .map((entry) => (typeof entry === "number" ? entry : `${idOf(entry.buffer)}+${entry.offset}`))
        .join();
      if (!tables.has(key)) tables.set(key, { table, offset: place(4 * table.length) });
      tableKeys.set(table, key);
    }
  }
  function idOf(buffer: Buffer): number {
    const id = ids.get(buffer) ?? ids.size;
    ids.set(buffer, id);
    return id;
  }

  for (const buffer of kept) offsets.set(buffer, place(bytesOf(buffer)));
  for (const { buffer } of lives) {
    if (buffer.place === "constant" && !offsets.has(buffer)) offsets.set(buffer, place(bytesOf(buffer)));
  }
  sharePadded(lives).forEach((group) => {
    const offset = place(bytesOf((group[0] as Life).buffer));
    for (const { buffer } of group) offsets.set(buffer, offset);
  });
  const start = end;
  const work = placeWork(lives, (buffer) => align(bytesOf(buffer) + 16));
  for (const [buffer, offset] of work.offsets) offsets.set(buffer, start + offset);
  place(work.size);

  const addressOf = ({ buffer, offset }: Address) => (offsets.get(buffer) as number) + offset;
  return {
    pages: Math.ceil((end + SLACK) / PAGE),
    addressOf,
    tableOf: (table) => (tables.get(tableKeys.get(table) as string) as { offset: number }).offset,
    fill(memory) {
      const bytes = new Uint8Array(memory.buffer);
      const words = new Int32Array(memory.buffer);
      for (const { table, offset } of tables.values()) {
        table.forEach((entry, i) => {
          words[offset / 4 + i] = typeof entry === "number" ? entry : addressOf(entry);
        });
      }
      for (const [{ data }, offset] of offsets) {
        if (data) bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
      }
    },
  };
}

const align = (bytes: number) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Padded buffers of one shape, of which no two are alive at once, can be one: their borders stay zeros. */
export function sharePadded(lives: readonly Life[]): Life[][] {
  const groups: Life[][] = [];
  for (const life of lives) {
    if (life.buffer.place !== "padded") continue;
    const free = groups.find((group) => {
      const last = group.at(-1) as Life;
      return last.buffer.shape === life.buffer.shape && last.to < life.from;
    });
    if (free) free.push(life);
    else groups.push([life]);
  }
  return groups;
}

/** Largest first, each at the lowest place that is free during its life. */
export function placeWork(
  lives: readonly Life[],
  sizeOf: (buffer: Buffer) => number,
): { readonly offsets: Map<Buffer, number>; readonly size: number } {
  const offsets = new Map<Buffer, number>();
  const placed: { from: number; to: number; begin: number; end: number }[] = [];
  let all = 0;
  const work = lives.filter(({ buffer }) => buffer.place === "work");
  for (const life of work.sort((a, b) => sizeOf(b.buffer) - sizeOf(a.buffer))) {
    const size = sizeOf(life.buffer);
    let begin = 0;
    const rivals = placed
      .filter(({ from, to }) => from <= life.to && to >= life.from)
      .sort((a, b) => a.begin - b.begin);
    for (const rival of rivals) {
      if (begin + size <= rival.begin) break;
      begin = Math.max(begin, rival.end);
    }
    placed.push({ from: life.from, to: life.to, begin, end: begin + size });
    offsets.set(life.buffer, begin);
    all = Math.max(all, begin + size);
  }
  return { offsets, size: all };
}
