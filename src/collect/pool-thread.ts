/** What runs in each thread of the pool: one player, for as long as the plan stays the same. */
import { WorldloopError } from "../errors";
import type { Plan } from "./plan";
import { openPlayer, type Player } from "./player";
import { createSightSender } from "./sight";

export interface Task {
  readonly plan: Plan;
  readonly episode: number;
  /** The channel of `sight.ts` that hears of every frame. */
  readonly watch?: string;
}

/** Classes of errors don't survive the way to another thread, so what a user can meet is told in words. */
export type Outcome = { readonly packed: Uint8Array<ArrayBuffer> } | { readonly problem: string };

let sender: ReturnType<typeof createSightSender> | null = null;
let current: { readonly plan: string; readonly player: Player } | null = null;

export default async function playTask({ plan, episode, watch }: Task): Promise<Outcome> {
  try {
    const player = await playerOf(plan);
    if (watch === undefined) return { packed: await player.play(episode) };
    sender ??= createSightSender(watch); // a pool has one channel
    const send = sender;
    return { packed: await player.play(episode, (frame) => send({ episode, ...frame })) };
  } catch (error) {
    if (error instanceof WorldloopError) return { problem: error.message };
    throw error;
  }
}

async function playerOf(plan: Plan): Promise<Player> {
  const text = JSON.stringify(plan);
  if (current?.plan === text) return current.player;
  const before = current?.player;
  current = null;
  await before?.close();
  const player = await openPlayer(plan);
  current = { plan: text, player };
  return player;
}
