/**
 * A policy in another process, over a WebSocket that this side opens. Before an episode a text message
 * `{"type": "begin", "episode", "seed", "picture": [H, W, 3], "actions": [names]}`, which wants no answer; then for each
 * frame a binary message, uint8 [H, W, 3], answered by the action: JSON (`{"steer": 0, …}` or `[0, …]`), or a binary
 * message of float32 little-endian [A].
 */
import { once } from "node:events";
import { WebSocket } from "ws";
import { PolicyError } from "../errors";
import type { Manifest } from "../model/manifest";
import { clipAction, type Policy } from "./policy";

const ANSWER_MS = 60_000; // a policy may be a large network on a busy machine
const MAX_ANSWER_BYTES = 65_536;

/** @throws PolicyError when nobody answers there */
export async function openSocketPolicy(url: string, manifest: Manifest): Promise<Policy> {
  const socket = new WebSocket(url, { maxPayload: MAX_ANSWER_BYTES, handshakeTimeout: ANSWER_MS });
  const failed = (problem: unknown) => new PolicyError(`${url}: expected a policy, got ${describe(problem)}`);
  try {
    await once(socket, "open");
  } catch (error) {
    throw failed(error);
  }
  socket.on("error", () => socket.terminate()); // "close" follows, which whoever waits for an answer hears
  const { picture, actions } = manifest;
  return {
    begin({ number, seed }) {
      const size = [picture.height, picture.width, 3];
      const names = actions.map(({ name }) => name);
      socket.send(JSON.stringify({ type: "begin", episode: number, seed, picture: size, actions: names }));
    },
    async act(rgb) {
      if (socket.readyState !== WebSocket.OPEN) throw failed("a closed connection");
      const stop = new AbortController();
      const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(ANSWER_MS)]);
      const answer = once(socket, "message", { signal });
      const closed = once(socket, "close", { signal }).then(() => {
        throw failed("a closed connection");
      });
      socket.send(rgb);
      try {
        const [data, binary] = (await Promise.race([answer, closed])) as [Buffer, boolean];
        return clipAction(url, parseAnswer(url, data, binary, manifest), manifest);
      } catch (error) {
        throw error instanceof PolicyError ? error : failed(error);
      } finally {
        stop.abort();
        await Promise.allSettled([answer, closed]);
      }
    },
    close: () => socket.close(),
  };
}

/** @throws PolicyError */
function parseAnswer(url: string, data: Buffer, binary: boolean, { actions }: Manifest): ArrayLike<number> {
  if (binary) {
    if (data.length % 4 === 0) return new Float32Array(new Uint8Array(data).buffer);
    throw new PolicyError(`${url}: expected float32 numbers, got ${data.length} bytes`);
  }
  const text = data.toString();
  const wrong = new PolicyError(
    `${url}: expected an action as JSON (${actions.map(({ name }) => name).join(", ")}), got ${text.slice(0, 80)}`,
  );
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (error) {
    throw Object.assign(wrong, { cause: error });
  }
  const named = typeof answer === "object" && answer !== null ? (answer as Record<string, unknown>) : {};
  const values = Array.isArray(answer) ? answer : actions.map(({ name }) => named[name]);
  if (!values.every((value) => typeof value === "number")) throw wrong;
  return values;
}

const describe = (problem: unknown): string => (problem instanceof Error ? problem.message : String(problem));
