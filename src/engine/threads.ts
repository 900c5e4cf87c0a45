/**
 * Several threads on one program over shared memory. Each step's work is divided into equal shares by number, so that nothing
 * depends on which thread is faster and frames are the same on any number of them. Between steps that depend on each other all
 * meet at a barrier: they spin, since the others are a few microseconds behind, and sleep when that takes long.
 */
import { BackendError } from "../errors";
import type { Arena } from "./arena";
import type { Buffer } from "./expression";
import { BYTES, type Step } from "./program";
import { Func, get, i32, set } from "./wasm";

/** Words below the first page of the arena, a cache line apart. */
const ARRIVED = 64;
const GENERATION = 128;
const TICK = 192;
const ASLEEP = 256;
const SPINS = 4000; // some 10 µs

/** Sleeps while a word holds a value, after spinning for a while. */
function waitWhile(func: Func, address: number, value: ReturnType<typeof get>): void {
  const spins = func.let("i32", i32.const(SPINS));
  const same = () => i32.eq(i32.atomicLoad(i32.const(address)), value);
  func.if(same(), () => {
    func.repeat(
      () => func.advance(spins, i32.const(-1)),
      () => i32.mul(same(), i32.lt(i32.const(0), get(spins))),
    );
    func.if(same(), () => {
      const unused = func.local("i32");
      func.add(set(unused, i32.atomicAdd(i32.const(ASLEEP), i32.const(1))));
      func.repeat(() => func.add(set(unused, i32.atomicWait(i32.const(address), value))), same);
      func.add(set(unused, i32.atomicAdd(i32.const(ASLEEP), i32.const(-1))));
    });
  });
}

/** Adds 1 to a word and wakes who sleeps for it. Mostly nobody does, and asking the host to look would cost more than the rest. */
function goOn(func: Func, address: number, threads: ReturnType<typeof get>): void {
  const unused = func.local("i32");
  func.add(set(unused, i32.atomicAdd(i32.const(address), i32.const(1))));
  func.if(i32.atomicLoad(i32.const(ASLEEP)), () =>
    func.add(set(unused, i32.atomicNotify(i32.const(address), threads))),
  );
}

/** Takes the number of threads; returns once all have come. */
export function barrier(): Func {
  const func = new Func(1);
  const threads = func.param(0);
  const generation = func.let("i32", i32.atomicLoad(i32.const(GENERATION)));
  const arrived = func.let("i32", i32.atomicAdd(i32.const(ARRIVED), i32.const(1)));
  func.ifElse(
    i32.eq(get(arrived), i32.sub(get(threads), i32.const(1))),
    () => {
      func.add(i32.atomicStore(i32.const(ARRIVED), i32.const(0)));
      goOn(func, GENERATION, get(threads));
    },
    () => waitWhile(func, GENERATION, get(generation)),
  );
  return func;
}

/** Calls a thread for the next tick: for the first one, before it runs its own share. */
export function announceTick(): Func {
  const func = new Func(1);
  goOn(func, TICK, get(func.param(0)));
  return func;
}

/** What a helper does for ever: takes its number and that of all; `run` as in `compile.ts`. */
export function help(run: number, steps: number): Func {
  const func = new Func(2);
  const tick = func.let("i32", i32.const(0));
  func.repeat(
    () => {
      waitWhile(func, TICK, get(tick));
      func.advance(tick, i32.const(1));
      func.call(run, i32.const(0), i32.const(steps), get(func.param(0)), get(func.param(1)));
    },
    () => i32.const(1),
  );
  return func;
}

/** For each step, whether all threads must have finished the ones before: it reads or overwrites what they touch. */
export function needsBarrier(steps: readonly Step[], arena: Arena): boolean[] {
  type Range = readonly [from: number, to: number];
  const rangeOf = (buffer: Buffer): Range => {
    const from = arena.addressOf({ buffer, offset: 0 });
    return [from, from + buffer.size * BYTES[buffer.kind]];
  };
  const meet = (a: readonly Range[], b: readonly Range[]) =>
    a.some(([from, to]) => b.some(([start, end]) => from < end && start < to));
  let read: Range[] = [];
  let written: Range[] = [];
  return steps.map((step) => {
    const reads = [...new Set(step.reads)].map(rangeOf);
    const writes = step.writes.map(rangeOf);
    const needed = meet(reads, written) || meet(writes, written) || meet(writes, read);
    if (needed) [read, written] = [[], []];
    read.push(...reads);
    written.push(...writes);
    return needed;
  });
}

/** What a helper is sent. */
export interface Start {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  readonly threads: number;
}

/** A thread of the host: a worker of a browser or of Node. */
export interface Helper {
  /** Resolves once the helper has said that it is ready. */
  start(message: Start): Promise<void>;
  end(): void;
}

/** The helper's whole script, for a classic worker of a browser and for Node's `eval`. */
export const HELPER_SCRIPT = `
const node = typeof require === "function" && require("node:worker_threads").parentPort;
const answer = ({ module, memory, thread, threads }) =>
  WebAssembly.instantiate(module, { env: { memory } }).then(({ exports }) => {
    (node || self).postMessage("ready");
    exports.help(thread, threads);
  });
if (node) node.on("message", answer);
else self.onmessage = ({ data }) => answer(data);
`;

const PATIENCE_MS = 10_000;

/** @throws BackendError when a helper doesn't start */
export async function startHelpers(
  helpers: readonly Helper[],
  start: Omit<Start, "thread" | "threads">,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("silence")), PATIENCE_MS);
  });
  try {
    const threads = helpers.length + 1;
    const ready = helpers.map((helper, i) => helper.start({ ...start, thread: i + 1, threads }));
    await Promise.race([Promise.all(ready), late]);
  } catch (error) {
    for (const helper of helpers) helper.end();
    throw new BackendError(
      `own: expected ${helpers.length} more threads, got "${(error as Error).message}". Use threads=1.`,
    );
  } finally {
    clearTimeout(timer);
  }
}
