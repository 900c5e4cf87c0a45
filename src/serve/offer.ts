/** A world that the server offers: one network, from which any number of sessions dream. */
import { basename } from "node:path";
import { UnknownWorldError } from "../errors";
import { folderSource } from "../model/folder-source";
import { createNetworkModel } from "../model/network-model";
import { type EngineOptions, findWorld, openNodeEngine } from "../model/node-runtime";
import { openPackage } from "../model/package";
import { openRewardHead, type RewardHead } from "../model/reward-head";
import { takeTurns } from "../model/turns";
import type { WorldModel } from "../model/world-model";

export interface Offer extends WorldModel {
  /** Null when the world has no reward head. */
  readonly judge: RewardHead["judge"] | null;
}

export type OfferSettings = Pick<EngineOptions, "engine" | "precision" | "threads">;

/**
 * Opens worlds by name or folder; a client asks for one by the folder's name.
 * @throws UnknownWorldError when two have one name or there is none, and all that opening a package throws
 */
export async function openOffers(
  worlds: readonly string[],
  settings: OfferSettings,
): Promise<ReadonlyMap<string, Offer>> {
  const offers = new Map<string, Offer>();
  for (const folder of worlds.map((world) => findWorld(world))) {
    const name = basename(folder);
    if (offers.has(name)) throw new UnknownWorldError(`--world: expected every name once, got "${name}" twice`);
    offers.set(name, await openOffer(folder, settings));
  }
  return offers;
}

async function openOffer(folder: string, settings: OfferSettings): Promise<Offer> {
  const opened = await openPackage(folderSource(folder));
  const engine = await openNodeEngine(opened, settings);
  const model = await createNetworkModel(opened, engine);
  const head = await openRewardHead(opened, engine);
  const inTurn = takeTurns(); // a turn is one tick or one beginning, so that many sessions share the network fairly
  return {
    ...model,
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
