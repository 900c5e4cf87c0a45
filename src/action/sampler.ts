/**
 * Puts the input sources together into the action vector of one tick. For each action the source that deviates
 * most from rest wins, so that a pad lying on the table doesn't fight the keyboard.
 */
import type { ActionSpec } from "../model/manifest";
import { atRest, type InputSource, type Sample } from "./source";

/** One sample of all sources, clamped to each action's range; `since` is the oldest of theirs. */
export function sampleSources(actions: readonly ActionSpec[], sources: readonly InputSource[]): Sample {
  const action = atRest(actions);
  let since: number | undefined;
  for (const source of sources) {
    const sample = source.sample();
    actions.forEach((spec, i) => {
      const value = Math.min(spec.max, Math.max(spec.min, sample.action[i] ?? spec.rest));
      if (Math.abs(value - spec.rest) > Math.abs((action[i] ?? spec.rest) - spec.rest)) action[i] = value;
    });
    if (sample.since !== undefined) since = Math.min(since ?? sample.since, sample.since);
  }
  return { action, since };
}
