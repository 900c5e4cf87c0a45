/**
 * OpenEnv's WebSocket protocol for one world: `reset`, `step`, `state`, `close` as its `EnvClient` sends them.
 * Source: github.com/meta-pytorch/OpenEnv, src/openenv/core/env_server/types.py and env_client.py. Its HTTP routes for
 * stepping are not here: they keep no state between two requests.
 */

import { randomInt } from "node:crypto";
import { z } from "zod";
import { parseAction } from "../action/action";
import { ProtocolError, WorldloopError } from "../errors";
import { rgbOf } from "../model/rgb";
import { type Batch, createBatch, type Observation } from "./batch";
import type { Offer } from "./offer";
import { complaintOf, parseJson } from "./protocol";
import type { Room, Visit } from "./visit";

const messageSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("reset"),
    data: z
      .looseObject({
        seed: z.int().nonnegative().nullish(),
        episode_id: z.string().max(255).nullish(),
        start: z.int().nonnegative().nullish(),
      })
      .default({}),
  }),
  z.strictObject({ type: z.literal("step"), data: z.record(z.string(), z.unknown()) }),
  z.strictObject({ type: z.literal("state") }),
  z.strictObject({ type: z.literal("close") }),
]);

type Code = "INVALID_JSON" | "UNKNOWN_TYPE" | "VALIDATION_ERROR" | "EXECUTION_ERROR";

/** @param left aborted when the client is gone. @throws CapacityError */
export function createOpenEnvVisit(offer: Offer, room: Room, left: AbortSignal): Visit {
  room.take(1);
  const batch: Batch = createBatch(offer, 1, left);
  let episode: string | null = null;
  let steps = 0;

  async function act(text: string): Promise<object | null> {
    const result = messageSchema.safeParse(parseJson(text));
    if (!result.success) {
      const issue = result.error.issues[0];
      const unknown = issue?.code === "invalid_union" || issue?.path[0] === "type";
      const what = complaintOf(result.error);
      return failure(unknown ? "UNKNOWN_TYPE" : "VALIDATION_ERROR", what);
    }
    const message = result.data;
    switch (message.type) {
      case "reset": {
        const { seed, episode_id, start } = message.data;
        const options = { seed: seed ?? randomInt(2 ** 47), ...(start != null && { start }) };
        const [seen] = await batch.reset([{ index: 0, options }]);
        episode = episode_id ?? null;
        steps = 0;
        return observation(seen as Observation, offer.packageSha256, { seed: options.seed });
      }
      case "step": {
        const { metadata: _, ...named } = message.data; // OpenEnv's own field of every action
        const [seen] = await batch.step([{ index: 0, action: parseAction(named, offer.manifest.actions) }], 0);
        steps += 1;
        return observation(seen as Observation, offer.packageSha256, {});
      }
      case "state":
        return { type: "state", data: { episode_id: episode, step_count: steps } };
      case "close":
        return null; // OpenEnv's own server answers nothing either
    }
  }

  return {
    async answer(message) {
      try {
        if ("bytes" in message) throw new ProtocolError(`expected JSON text, got ${message.bytes} bytes`);
        const answer = await act(message.text);
        return answer && JSON.stringify(answer);
      } catch (error) {
        if (!(error instanceof WorldloopError)) throw error;
        return JSON.stringify(failure(codeOf(error), error.message));
      }
    },
    end() {
      room.give(1);
    },
  };
}

const failure = (code: Code, message: string) => ({ type: "error", data: { message, code } });

function codeOf({ name }: WorldloopError): Code {
  if (name === "ProtocolError") return "INVALID_JSON";
  return name === "StateError" ? "EXECUTION_ERROR" : "VALIDATION_ERROR";
}

/** The picture is base64 of uint8 [H, W, 3]. The reward is null without a reward head. */
function observation({ frame, tick, ms, reward, done }: Observation, model: string, metadata: Record<string, unknown>) {
  return {
    type: "observation",
    data: {
      observation: {
        picture: Buffer.from(rgbOf(frame.rgba)).toString("base64"),
        shape: [frame.height, frame.width, 3],
        tick,
      },
      reward: reward ?? null,
      done: done ?? false,
      metadata: { model, tick_ms: ms, ...metadata },
    },
  };
}
