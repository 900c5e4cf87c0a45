/**
 * Which ticks of which drives a clip shows. Pausing leaves no mark; a rewind, a reset or another branch begins a new shot,
 * whose drive is kept whole, because what was rewound is nowhere else.
 */
import { RecordingError } from "../errors";
import type { SessionBeginning } from "../model/beginning";
import { sha256Hex } from "../model/hash";
import type { Told } from "../model/prompt";
import { actionsSha256, type Shot } from "../model/provenance";
import type { Action } from "../model/world";
import { MOST_TICKS, packActions } from "./share-link";

/** A drive from its beginning, and the ticks of it that are shown. */
export interface Drive extends SessionBeginning {
  readonly from: number;
  readonly to: number;
  /** All from the beginning to tick `to`. */
  readonly actions: readonly Action[];
  /** What the world was told on that way. */
  readonly told?: readonly Told[];
  /** Of the guides on that way, hex; undefined: there were none. */
  readonly guidesSha256?: string | undefined;
}

export interface Shots {
  /**
   * @param frame its tick, and the action that led to it; null when a reset, a restart or a rewind did: no picture of the clip
   * @param drive where it began, and all actions that led to the frame
   */
  add(
    frame: { readonly tick: number; readonly action: Action | null },
    drive: SessionBeginning & {
      actions(): readonly Action[];
      told?: () => readonly Told[];
      guidesSha256?: () => string | undefined;
    },
  ): void;
  /** What comes next goes on from another frame than the last one. */
  cut(): void;
  read(): readonly Drive[];
}

export function createShots(): Shots {
  type Open = "to" | "actions" | "told" | "guidesSha256";
  const shots: (Omit<Drive, Open> & {
    readonly actions: Action[];
    told: readonly Told[];
    guidesSha256: string | undefined;
  })[] = [];
  let cut = true;
  return {
    cut() {
      cut = true;
    },
    add({ tick, action }, { actions, told, guidesSha256, ...beginning }) {
      const last = shots.at(-1);
      if (action === null) cut = true;
      else if (!cut && last?.actions.length === tick - 1) {
        last.actions.push(action.slice());
        last.told = told?.() ?? [];
        last.guidesSha256 = guidesSha256?.();
      } else {
        cut = false;
        const way = { actions: [...actions()], told: told?.() ?? [], guidesSha256: guidesSha256?.() };
        shots.push({ ...beginning, from: tick, ...way });
      }
    },
    read: () => shots.map((shot) => ({ ...shot, to: shot.actions.length })),
  };
}

/** Characters of the packed actions of one file: an hour of held keys, or some minutes of a stick that never rests. */
const MOST_PACKED = 1_000_000;

/** @param withActions whether the person lets them go out. Where they would be too many they stay behind all the same */
export async function describeShots(drives: readonly Drive[], withActions: boolean): Promise<Shot[]> {
  const shots: Shot[] = [];
  let room = withActions ? MOST_PACKED : 0;
  for (const { seed, start, picture, from, to, actions, told = [], guidesSha256 } of drives) {
    const beginning = picture ? { contextSha256: await sha256Hex(picture) } : { start }; // the picture itself stays here
    const packed = actions.length > MOST_TICKS ? null : await packWithin(actions, room);
    room -= packed?.length ?? 0;
    shots.push({
      ...{ seed, ...beginning, from, to },
      ...(guidesSha256 === undefined ? {} : { guidesSha256 }),
      actionsSha256: await actionsSha256(actions, told, guidesSha256),
      ...(packed === null ? {} : { actions: packed }),
      ...(packed === null || told.length === 0 ? {} : { prompts: [...told] }),
    });
  }
  return shots;
}

/** Null where they need more characters than there are. */
async function packWithin(actions: readonly Action[], most: number): Promise<string | null> {
  if (most <= 0) return null;
  try {
    return await packActions(actions, most);
  } catch (error) {
    if (error instanceof RecordingError) return null;
    throw error;
  }
}
