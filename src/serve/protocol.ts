/** The messages of `docs/serve.md`: what a client may say, checked, and how an answer looks in bytes. */

import { z } from "zod";
import { ProtocolError } from "../errors";
import { concat } from "../model/bytes";
import { rgbOf } from "../model/rgb";
import type { Observation } from "./batch";

export const MAX_SAMPLES = 16;
const MAX_WORLDS = 1024; // of one client, and so of one message
const MAX_ACTIONS = 64; // values of one action; no world comes near
const MAX_CONTEXT = 4096; // values of all actions of a context
const MAX_COMPLAINT = 300; // characters of an error about a message, which may quote it

/** Refuses by the length before it looks at the items: looking at 100,000 takes seconds, during which others wait. */
const bounded = <T extends z.ZodType>(item: T, max: number) => z.array(z.unknown()).max(max).pipe(z.array(item));

/** What it means is the world's to say; a longer one is refused there. */
const prompt = z.string();
const index = z.int().nonnegative();
const context = z.strictObject({ frames: z.base64(), actions: bounded(z.number(), MAX_CONTEXT) });

const messageSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("open"), world: z.string(), count: z.int().positive().max(MAX_WORLDS) }),
  z.strictObject({
    type: z.literal("reset"),
    worlds: bounded(
      z.strictObject({
        index,
        seed: z.int().nonnegative(),
        start: z.int().nonnegative().optional(),
        context: context.optional(),
        prompt: prompt.optional(),
      }),
      MAX_WORLDS,
    ),
  }),
  z.strictObject({
    type: z.literal("step"),
    worlds: bounded(
      z.strictObject({ index, action: bounded(z.number(), MAX_ACTIONS), prompt: prompt.optional() }),
      MAX_WORLDS,
    ),
    samples: z.int().nonnegative().max(MAX_SAMPLES).default(0),
  }),
]);

export type Message = z.infer<typeof messageSchema>;
export type MessageOf<T extends Message["type"]> = Extract<Message, { readonly type: T }>;

/** @throws ProtocolError */
export function parseMessage(text: string): Message {
  const result = messageSchema.safeParse(parseJson(text));
  if (result.success) return result.data;
  throw new ProtocolError(complaintOf(result.error));
}

/** What is wrong with a message, and where. */
export function complaintOf({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.join(".") || "message"}: ${issue?.message}`.slice(0, MAX_COMPLAINT);
}

/** @throws ProtocolError */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ProtocolError(`expected a message in JSON, got something else (${(error as Error).message})`);
  }
}

/** The length of the JSON as uint32 little-endian, the JSON, then the pictures uint8 [n, H, W, 3]. */
export function framesMessage(observations: readonly Observation[]): Uint8Array {
  const worlds = observations.map(({ frame, ...entry }) => entry);
  const json = new TextEncoder().encode(JSON.stringify({ type: "frames", worlds }));
  const pictures = observations.map(({ frame }) => rgbOf(frame.rgba));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, json.length, true);
  return concat([length, json, ...pictures]);
}
