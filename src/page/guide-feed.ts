/**
 * Which source guides the world: one at a time, opened when it is chosen; let go when another is, when it ends, and when
 * the world is left. What sources there are: `guide-sources.ts`. Knows no DOM.
 */

/** Something that gives pictures: a camera, a film, a scene. */
export interface GuideSource {
  /**
   * The newest picture, uint8 RGB [height, width, 3] of the world's size, owned by the receiver; undefined: none since the
   * last call. @param again gives the last one once more where there is no newer
   */
  next(again: boolean): Uint8Array | undefined;
  /** The world goes on or stands still. */
  run?(runs: boolean): void;
  /** Stops what it uses; called once. */
  close(): void;
}

/** @param ended to be called when it ends by itself. @throws GuideError when it can't be had */
export type OpenGuide = (ended: (why: Error) => void) => Promise<GuideSource>;

export interface GuideFeed {
  /** Null where there is none; it may still be on its way to open. */
  readonly name: string | null;
  /** Lets go of the source and opens another; null: none. */
  choose(name: string | null, open?: OpenGuide): Promise<void>;
  /** The guide of the next tick; undefined: as before. */
  take(): Uint8Array | undefined;
  /** The world may have forgotten its guide, or the picture looks otherwise: the next tick gets one whether or not it is new. */
  resend(): void;
  run(runs: boolean): void;
}

export interface GuideFeedOptions {
  /** What the world is shown after a source is gone: a guide holds until the next one. */
  readonly nothing: Uint8Array;
  /** Another source was chosen, or it is open now. */
  readonly onChange: () => void;
  /** It couldn't be opened, or it ended; there is none now. */
  readonly onEnd: (name: string, why: Error) => void;
}

export function createGuideFeed({ nothing, onChange, onEnd }: GuideFeedOptions): GuideFeed {
  let chosen: { readonly name: string; source?: GuideSource } | null = null;
  let hasGuided = false;
  let again = false;
  let running = true;

  const letGo = () => {
    chosen?.source?.close();
    chosen = null;
    again = true;
  };
  const end = (mine: typeof chosen, why: Error) => {
    if (!mine || chosen !== mine) return;
    letGo();
    onChange();
    onEnd(mine.name, why);
  };

  return {
    get name() {
      return chosen?.name ?? null;
    },
    async choose(name, open) {
      letGo();
      const mine: typeof chosen = name === null ? null : { name };
      chosen = mine;
      onChange();
      if (!mine || !open) return;
      try {
        const source = await open((why) => end(mine, why));
        if (chosen !== mine) return source.close(); // another was chosen while it opened
        mine.source = source;
        source.run?.(running);
        onChange();
      } catch (error) {
        end(mine, error as Error);
      }
    },
    take() {
      const source = chosen?.source;
      const picture = source ? source.next(again) : again && hasGuided ? nothing : undefined;
      hasGuided ||= picture !== undefined;
      if (picture) again = false;
      return picture;
    },
    resend() {
      again = true;
    },
    run(runs) {
      running = runs;
      chosen?.source?.run?.(runs);
    },
  };
}
