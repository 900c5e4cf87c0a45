/** How long a connection lasts, and what becomes of work that nobody waits for any more: by a clock set by hand. */
import { EventEmitter } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { WebSocket } from "ws";
import { AbortedError } from "../errors";
import { FAKE_MANIFEST } from "../model/fake-world";
import type { Snapshot } from "../model/world";
import { createBatch } from "./batch";
import { converse } from "./converse";
import type { Offer } from "./offer";

const IDLE_MS = 1000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A conversation whose answers are given by the test. */
function begin() {
  const socket = Object.assign(new EventEmitter(), {
    close: vi.fn(),
    terminate: vi.fn(),
    send: vi.fn((_: string, sent: () => void) => sent()),
  });
  const answers: ((text: string) => void)[] = [];
  const conversation = converse(socket as unknown as WebSocket, {
    answer: () => new Promise<string>((resolve) => answers.push(resolve)),
    idleMs: IDLE_MS,
    onFault: (fault) => {
      throw fault;
    },
  });
  return { socket, answers, conversation, say: () => socket.emit("message", Buffer.from("{}"), false) };
}

test("a client isn't silent while its answer is computed, whatever it sends meanwhile", async () => {
  const { socket, answers, say } = begin();
  say();
  await vi.advanceTimersByTimeAsync(5 * IDLE_MS);
  say();
  await vi.advanceTimersByTimeAsync(5 * IDLE_MS);
  answers.shift()?.("first");
  await vi.advanceTimersByTimeAsync(5 * IDLE_MS); // now the second one is computed
  expect(socket.close).not.toHaveBeenCalled();
  answers.shift()?.("second");
  await vi.advanceTimersByTimeAsync(IDLE_MS - 1);
  expect(socket.send.mock.calls.map(([text]) => text)).toEqual(["first", "second"]);
  expect(socket.close).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(socket.close).toHaveBeenCalledWith(1001, "expected a message within 1 s");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(socket.terminate).toHaveBeenCalledOnce();
});

test("it is over when the answer under way has ended, and leaves no timer behind", async () => {
  const { socket, answers, conversation, say } = begin();
  const over = vi.fn();
  conversation.over.then(over);
  say();
  say();
  conversation.end(1001, "the server ends");
  expect(socket.close).toHaveBeenCalledWith(1001, "the server ends");
  socket.emit("close");
  await vi.advanceTimersByTimeAsync(0);
  expect(over).not.toHaveBeenCalled();
  answers.shift()?.("too late");
  await vi.advanceTimersByTimeAsync(0);
  expect(over).toHaveBeenCalled();
  expect(answers).toEqual([]); // the second message isn't begun
  expect(socket.send).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});

test("a batch ends before its next tick when the client has left, and changes nothing", async () => {
  const left = new AbortController();
  const state = { tick: 0, seed: 1, frame: { rgba: new Uint8ClampedArray(4) } } as unknown as Snapshot;
  const advance = vi.fn(async () => state);
  const offer = { manifest: FAKE_MANIFEST, begin: async () => state, advance, judge: null } as unknown as Offer;
  const batch = createBatch(offer, 3, left.signal);
  await batch.reset([0, 1, 2].map((index) => ({ index, options: { seed: 1 } })));
  advance.mockImplementationOnce(async () => {
    left.abort(new AbortedError("the client has left"));
    return state;
  });
  const entries = [0, 1, 2].map((index) => ({ index, action: new Float32Array(3) }));
  await expect(batch.step(entries, 16)).rejects.toMatchObject({ name: "AbortedError" });
  expect(advance).toHaveBeenCalledOnce();
  await expect(batch.reset([{ index: 0, options: { seed: 1 } }])).rejects.toMatchObject({ name: "AbortedError" });
});
