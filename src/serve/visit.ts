/** A client of our own protocol: opens worlds of one kind, then resets and steps them. */
import { CapacityError, ProtocolError, quoted, StateError, UnknownWorldError, WorldloopError } from "../errors";
import type { ResetOptions } from "../model/world";
import { type Batch, createBatch } from "./batch";
import type { Offer } from "./offer";
import { framesMessage, type Message, type MessageOf, parseMessage } from "./protocol";

/** Room for worlds, shared by all clients. */
export interface Room {
  /** Takes room for so many worlds. @throws CapacityError */
  take(count: number): void;
  give(count: number): void;
}

export function createRoom(size: number): Room {
  let taken = 0;
  return {
    take(count) {
      if (taken + count > size) {
        throw new CapacityError(
          `expected at most ${size - taken} more worlds, got ${count}; --max-sessions is ${size}`,
        );
      }
      taken += count;
    },
    give(count) {
      taken -= count;
    },
  };
}

export interface Visit {
  /** The answer to one message; errors that a client can make are answers too. Null: it asks to leave. */
  answer(message: { readonly text: string } | { readonly bytes: number }): Promise<string | Uint8Array | null>;
  /** Gives back its room: when the client has left and nothing is computed for it any more. */
  end(): void;
}

/** @param left aborted when the client is gone */
export function createVisit(offers: ReadonlyMap<string, Offer>, room: Room, left: AbortSignal): Visit {
  let batch: Batch | null = null;
  let taken = 0;

  async function open({ world, count }: MessageOf<"open">): Promise<string> {
    if (batch) throw new StateError("open: this connection has opened its worlds already. Connect again for others.");
    const offer = findOffer(offers, world);
    room.take(count);
    taken = count;
    batch = createBatch(offer, count, left);
    const { manifest, packageSha256: sha256, words } = offer;
    return JSON.stringify({ type: "opened", manifest, sha256, count, ...(words === null ? {} : { words }) });
  }

  async function act(message: Message): Promise<string | Uint8Array> {
    if (message.type === "open") return open(message);
    if (!batch) throw new StateError(`${message.type}: expected worlds to be open. Send "open" first.`);
    if (message.type === "reset") {
      const entries = message.worlds.map(({ index, prompt, ...entry }) => {
        return { index, options: resetOptions(entry), ...(prompt === undefined ? {} : { prompt }) };
      });
      return framesMessage(await batch.reset(entries));
    }
    const entries = message.worlds.map(({ action, ...entry }) => ({ ...entry, action: Float32Array.from(action) }));
    return framesMessage(await batch.step(entries, message.samples));
  }

  return {
    async answer(message) {
      try {
        if ("bytes" in message) throw new ProtocolError(`expected JSON text, got ${message.bytes} bytes`);
        return await act(parseMessage(message.text));
      } catch (error) {
        if (!(error instanceof WorldloopError)) throw error;
        return JSON.stringify({ type: "error", name: error.name, message: error.message });
      }
    },
    end() {
      room.give(taken);
      taken = 0;
    },
  };
}

/** @throws UnknownWorldError */
export function findOffer(offers: ReadonlyMap<string, Offer>, name: string): Offer {
  const offer = offers.get(name);
  if (offer) return offer;
  throw new UnknownWorldError(`world: expected one of ${[...offers.keys()].join(", ")}, got ${quoted(name)}`);
}

type ResetEntry = Omit<MessageOf<"reset">["worlds"][number], "index" | "prompt">;

function resetOptions({ seed, start, context }: ResetEntry): ResetOptions {
  return {
    seed,
    ...(start !== undefined && { start }),
    ...(context && {
      context: {
        frames: new Uint8Array(Buffer.from(context.frames, "base64")),
        actions: Float32Array.from(context.actions),
      },
    }),
  };
}
