/** A world that the server offers: one network, from which any number of sessions dream. */
import { basename } from "node:path";
import { UnknownWorldError } from "../errors";
import { createNetworkModel } from "../model/network-model";
import { type EngineOptions, findWorld, openNodeEngine } from "../model/node-runtime";
import { placeSource } from "../model/node-source";
import { openPackage } from "../model/package";
import { openRewardHead, type RewardHead } from "../model/reward-head";
import { takeTurns } from "../model/turns";
import type { WorldModel } from "../model/world-model";

export interface Offer extends WorldModel {
  /** Null when the world has no reward head. */
  readonly judge: RewardHead["judge"] | null;
  /** The text of its `words.json`; null when it takes no prompts. */
  readonly words: string | null;
}

export type OfferSettings = Pick<EngineOptions, "engine" | "precision" | "threads">;

/**
 * Opens worlds by name, folder or zip; a client asks for one by the name of the folder or zip.
 * @throws UnknownWorldError when two have one name or there is none, and all that opening a package throws
 */
export async function openOffers(
  worlds: readonly string[],
  settings: OfferSettings,
): Promise<ReadonlyMap<string, Offer>> {
  const offers = new Map<string, Offer>();
  for (const place of worlds.map((world) => findWorld(world))) {
    const name = basename(place, ".zip");
    if (offers.has(name)) throw new UnknownWorldError(`--world: expected every name once, got "${name}" twice`);
    offers.set(name, await openOffer(place, settings));
  }
  return offers;
}

async function openOffer(place: string, settings: OfferSettings): Promise<Offer> {
  const opened = await openPackage(await placeSource(place));
  const engine = await openNodeEngine(opened, settings);
  const model = await createNetworkModel(opened, engine);
  const head = await openRewardHead(opened, engine);
  const { prompt } = opened.manifest;
  const words = prompt ? new TextDecoder().decode(await opened.read(prompt.file)) : null;
  const inTurn = takeTurns(); // a turn is one tick or one beginning, so that many sessions share the network fairly
  return {
    ...model,
    words,
    begin: (beginning) => inTurn(() => model.begin(beginning)),
    advance: (state, action) => inTurn(() => model.advance(state, action)),
    judge: head ? (before, action, after) => inTurn(() => head.judge(before, action, after)) : null,
    async close() {
      await inTurn(async () => {
        await model.close();
        await head?.close();
      });
    },
  };
}
