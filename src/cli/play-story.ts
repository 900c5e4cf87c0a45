/**
 * Plays a planned story and keeps what was done as a session: every shot is a branch, a cut begins at a start of the world,
 * going on parts from the end of the shot before, a return from the end of the shot that it returns to. Returning restores
 * the state that was kept there (latent, KV window, prompt): nothing is played again.
 */
import { seedOf } from "../collect/plan";
import type { Policy } from "../collect/policy";
import { AbortedError } from "../errors";
import { type BranchTree, createBranchTree } from "../model/branch-tree";
import { promptWith } from "../model/prompt";
import { rgbOf } from "../model/rgb";
import type { Action, Frame, Snapshot, World } from "../model/world";
import { createShots, type Drive } from "../record/shots";
import type { PlannedShot, StoryPlan } from "../record/story-file";

export interface StoryPlayer {
  /** Every frame of the story, in order. @throws AbortedError between two ticks; PolicyError, PromptError, StateError */
  readonly frames: AsyncGenerator<Frame>;
  /** What was played so far; branch k is shot k. */
  readonly tree: BranchTree;
  /** The same as a clip's record has it: stretches without a break. */
  drives(): readonly Drive[];
}

/** @param policyOf who acts in a shot that names a policy */
export function playStory(
  world: World,
  { seed, start, shots }: StoryPlan,
  policyOf: (name: string) => Policy,
  signal: AbortSignal,
): StoryPlayer {
  const tree = createBranchTree();
  const stretches = createShots();
  const isReturn = ({ from }: PlannedShot, index: number) => "after" in from && from.after !== index - 1;
  const returnedTo = new Set(shots.filter(isReturn).map(({ from }) => "after" in from && from.after));

  const branchOf = ({ name, from }: PlannedShot, index: number) => {
    if ("after" in from) tree.fork({ branch: from.after, tick: tree.get(from.after)?.end ?? 0 });
    else if (index > 0) tree.cut(from.start);
    tree.rename(index, name);
  };

  async function* play(): AsyncGenerator<Frame> {
    const kept = new Map<number, Snapshot>();
    let frame: Frame | undefined;
    for (const [index, shot] of shots.entries()) {
      const { from, frames, told, actions } = shot;
      branchOf(shot, index);
      const state = "after" in from && isReturn(shot, index) ? kept.get(from.after) : undefined;
      if ("start" in from) frame = await world.reset({ seed, start: from.start });
      else if (state) frame = await world.restore(state);
      if ("start" in from || state) stretches.cut();
      const policy = "policy" in actions ? policyOf(actions.policy) : undefined;
      await policy?.begin({ number: index, seed: seedOf(seed, index) });
      for (let i = 0; i < frames; i++) {
        if (signal.aborted) throw new AbortedError("interrupted");
        const action = "policy" in actions ? await policy?.act(rgbOf((frame as Frame).rgba)) : actions[i];
        const own = (action as Action).slice(); // a policy may use its buffer again
        const prompt = promptWith(told, i + 1);
        frame = await world.step(own, prompt);
        tree.append(index, own, prompt);
        const here = { branch: index, tick: frame.tick };
        stretches.add(
          { tick: frame.tick, action: own },
          {
            ...{ seed, start: tree.start(here) ?? start },
            ...{ actions: () => tree.actions(here), told: () => tree.told(here) },
          },
        );
        yield frame;
      }
      if (returnedTo.has(index)) kept.set(index, await world.snapshot());
    }
  }
  return { frames: play(), tree, drives: () => stretches.read() };
}
