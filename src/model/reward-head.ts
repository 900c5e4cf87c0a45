/**
 * What a step was worth and whether it ended the episode, where a package brings a reward head (`docs/package-format.md`).
 * The head reads states and changes none: a world dreams the same with and without it.
 */
import { StateError } from "../errors";
import type { Engine } from "./engine";
import type { GraphSession } from "./graph-session";
import type { WorldPackage } from "./package";
import type { Action, Judgement, Outcome, Snapshot } from "./world";
import type { WorldModel } from "./world-model";

export interface RewardHead {
  /** One run. @throws StateError when the graph gives NaN or infinity */
  judge(before: Snapshot, action: Action, after: Snapshot): Promise<Omit<Judgement, "total">>;
  close(): Promise<void>;
}

/** Null when the world has none. @throws MissingFileError, FileMismatchError, UnsafeGraphError, ShapeError, BackendError */
export async function openRewardHead(opened: WorldPackage, engine: Engine): Promise<RewardHead | null> {
  const spec = opened.manifest.reward;
  if (!spec) return null;
  const session: GraphSession = await engine.createSession(await opened.read(spec.file), spec);
  return {
    async judge(before, action, after) {
      const { reward, done } = await session.run({ latent: before.latent, action, latent_next: after.latent });
      const [value = Number.NaN, over = Number.NaN] = [reward?.[0], done?.[0]];
      if (Number.isFinite(value) && Number.isFinite(over)) return { reward: value, done: over > 0.5 };
      throw new StateError(
        `Tick ${after.tick}: expected a finite reward and end from ${spec.file}, got ${value} and ${over}.`,
      );
    },
    close: () => session.close(),
  };
}

/**
 * The same model, whose frames say what their step was worth. The head is fetched while the beginning is computed, and the
 * first step makes its session. A head that fails costs the reward, never the world: the frames then say why, and the next
 * beginning tries again.
 */
export function withOutcomes(model: WorldModel, opened: WorldPackage, engine: Engine): WorldModel {
  const { reward } = model.manifest;
  if (!reward) return model;
  let head: Promise<RewardHead | null> | undefined;
  let failure: string | undefined;

  async function outcomeOf(before: Snapshot, action: Action, after: Snapshot): Promise<Outcome | undefined> {
    if (failure !== undefined) return { error: failure };
    try {
      const judgement = await (await head)?.judge(before, action, after);
      if (!judgement) return undefined;
      const earlier = before.frame.outcome && "total" in before.frame.outcome ? before.frame.outcome.total : 0;
      return { ...judgement, total: earlier + judgement.reward };
    } catch (error) {
      failure = (error as Error).message;
      return { error: failure };
    }
  }

  return {
    ...model,
    get backend() {
      return model.backend;
    },
    begin(beginning) {
      if (failure !== undefined) head = undefined;
      failure = undefined;
      opened.read(reward.file).catch(() => undefined); // told when its session is made
      return model.begin(beginning);
    },
    async advance(state, action) {
      head ??= openRewardHead(opened, engine);
      await head.catch(() => undefined); // told by the frame; no session is made while another one runs
      const next = await model.advance(state, action);
      const outcome = await outcomeOf(state, action, next);
      return outcome ? { ...next, frame: { ...next.frame, outcome } } : next;
    },
    async close() {
      const opened = await head?.catch(() => null);
      await opened?.close();
      await model.close();
    },
  };
}
