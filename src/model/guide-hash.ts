/**
 * The hash of the guides that a session was shown, which its records hold in their place. Of a session that is played on
 * from its beginning it covers each tick's guide; going elsewhere in it begins the hash anew, for what was shown on the
 * way there is kept nowhere.
 */
import { sha256 } from "@noble/hashes/sha2";
import { bytesToHex } from "@noble/hashes/utils";

export interface GuideHash {
  /** The guide of the next tick, once it is made, uint8 RGB [height, width, 3]; undefined: as before. */
  add(tick: number, guide: Uint8Array | undefined): void;
  /** The world has gone to a tick without playing on; at 0 it has no guide. */
  goneTo(tick: number): void;
  /** Hex; undefined: there were no guides. */
  read(): string | undefined;
}

/** @param nothing the guide of ticks before the first */
export function createGuideHash(nothing: Uint8Array): GuideHash {
  let hash = sha256.create();
  let newest: Uint8Array | undefined; // undefined: none since tick 0
  return {
    add(tick, guide) {
      for (let before = 1; guide && !newest && before < tick; before++) hash.update(nothing);
      newest = guide ?? newest;
      if (newest) hash.update(newest);
    },
    goneTo(tick) {
      hash = sha256.create();
      if (tick === 0) newest = undefined;
    },
    read: () => newest && bytesToHex(hash.clone().digest()),
  };
}
