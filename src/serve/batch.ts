/**
 * The worlds of one client: a state for each, stepped together. A call that is refused or fails changes none of them. What
 * nobody waits for any more is not computed to its end.
 */
import { checkAction } from "../action/action";
import { ProtocolError, StateError } from "../errors";
import { checkReset } from "../model/beginning";
import type { Action, Frame, Judgement, ResetOptions, Snapshot } from "../model/world";
import type { Offer } from "./offer";

/** What a client is told of one world after a reset or a step. */
export interface Observation extends Partial<Pick<Judgement, "reward" | "done">> {
  readonly index: number;
  readonly tick: number;
  /** How long the step took, waiting for others included; 0 after a reset. */
  readonly ms: number;
  /** Disagreement over noise seeds, see `uncertaintyOf`; only when samples were asked for. */
  readonly uncertainty?: number;
  readonly frame: Frame;
}

/** A world, and what it is told from now on; absent: as before. */
interface Told {
  readonly index: number;
  readonly prompt?: string | undefined;
}

export interface Batch {
  /** @throws ProtocolError, ResetError, PromptError */
  reset(entries: readonly (Told & { readonly options: ResetOptions })[]): Promise<Observation[]>;
  /**
   * @param samples extra samples behind `uncertainty`, 0 for none
   * @throws ProtocolError, ActionError, StateError, PromptError
   */
  step(entries: readonly (Told & { readonly action: Action })[], samples: number): Promise<Observation[]>;
}

/** @param left aborted when the client is gone: calls under way then end before their next tick, with its reason */
export function createBatch(shared: Offer, count: number, left: AbortSignal): Batch {
  const offer = whileHere(shared, left);
  const states: (Snapshot | null)[] = Array(count).fill(null);

  function checkIndices(entries: readonly { readonly index: number }[]): void {
    const indices = new Set(entries.map(({ index }) => index));
    const wrong = entries.find(({ index }) => index >= count);
    if (wrong) throw new ProtocolError(`index: expected an integer from 0 to ${count - 1}, got ${wrong.index}`);
    if (indices.size !== entries.length) throw new ProtocolError("worlds: expected every index once, got one twice");
  }

  /** The state, told. */
  const told = (state: Snapshot, prompt: string | undefined): Snapshot =>
    prompt === undefined ? state : { ...state, prompt: offer.checkPrompt(prompt) };

  async function advance(
    before: Snapshot,
    index: number,
    action: Action,
    samples: number,
  ): Promise<readonly [Snapshot, Observation]> {
    const began = performance.now();
    const after = await offer.advance(before, action);
    const ms = performance.now() - began;
    const uncertainty = samples > 0 ? { uncertainty: await uncertaintyOf(offer, before, action, after, samples) } : {};
    const judgement = (await offer.judge?.(before, action, after)) ?? {};
    return [after, { index, tick: after.tick, ms, ...uncertainty, ...judgement, frame: after.frame }];
  }

  return {
    async reset(entries) {
      checkIndices(entries);
      const beginnings = entries.map(({ options }) => checkReset(options, offer.manifest));
      for (const { prompt } of entries) if (prompt !== undefined) offer.checkPrompt(prompt);
      const begun: Snapshot[] = [];
      for (const beginning of beginnings) begun.push(await offer.begin(beginning)); // others take turns in between
      return entries.map(({ index, prompt }, i) => {
        const state = told(begun[i] as Snapshot, prompt);
        states[index] = state;
        return { index, tick: 0, ms: 0, frame: state.frame };
      });
    },
    async step(entries, samples) {
      checkIndices(entries);
      const befores = entries.map(({ index, action, prompt }) => {
        const state = states[index];
        if (!state) throw new StateError(`World ${index} has no state yet. Reset it first.`);
        checkAction(action, offer.manifest.actions);
        return told(state, prompt);
      });
      const results: (readonly [Snapshot, Observation])[] = [];
      for (const [i, { index, action }] of entries.entries()) {
        results.push(await advance(befores[i] as Snapshot, index, action, samples));
      }
      for (const [state, { index }] of results) states[index] = state;
      return results.map(([, observation]) => observation);
    },
  };
}

/** The same world, which begins nothing for a client that is gone. */
function whileHere(offer: Offer, left: AbortSignal): Offer {
  return {
    ...offer,
    async begin(beginning) {
      left.throwIfAborted();
      return offer.begin(beginning);
    },
    async advance(state, action) {
      left.throwIfAborted();
      return offer.advance(state, action);
    },
  };
}

/**
 * The standard deviation over the frame and as many others of the same tick, dreamed with the noise of the seeds that
 * follow; as a share of the full range, averaged over pixels and channels. `World.step` in Python does the same.
 */
async function uncertaintyOf(offer: Offer, before: Snapshot, action: Action, after: Snapshot, samples: number) {
  const pictures = [after.frame.rgba];
  for (let i = 1; i <= samples; i++) {
    const seed = (before.seed + i) % (Number.MAX_SAFE_INTEGER + 1);
    pictures.push((await offer.advance({ ...before, seed }, action)).frame.rgba);
  }
  let sum = 0;
  for (let at = 0; at < after.frame.rgba.length; at++) {
    if (at % 4 === 3) continue; // alpha
    const values = pictures.map((picture) => picture[at] as number);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    sum += Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
  }
  return sum / (after.frame.rgba.length * 0.75) / 255;
}
