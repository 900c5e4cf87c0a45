/**
 * Reward and end of episode, in worlds that have a reward head: the running total over the view, and at the end what
 * came out and how to go on. Nothing of it is shown where a world has none.
 */
import type { Outcome } from "../model/world";
import { element, make } from "./elements";
import { announce, complain, notify } from "./notices";
import type { Session } from "./session";

const END = "The episode is over";

/** @returns a way to disconnect it, when another world is opened */
export function connectEpisode(session: Session): () => void {
  const { world, loop, beginning } = session;
  const score = element("score", HTMLElement);
  score.hidden = true;
  if (!world.manifest.reward) return () => undefined;
  let over = false; // the end that this session has been told of
  let hasFailed = false;
  let close: (() => void) | undefined;

  const end = (total: number, ticks: number) => {
    loop.pause(`${END}.`);
    announce(`${END}: reward ${number(total)} in ${ticks} steps.`);
    const begin = (from: typeof beginning.value) => () => void session.begin(from);
    const now = beginning.value;
    close = notify({
      title: END,
      content: [make("p", {}, `Reward ${number(total)} in ${ticks} steps.`)],
      takesPad: true,
      remedies: [
        { label: "New episode", run: begin({ ...now, seed: (now.seed % Number.MAX_SAFE_INTEGER) + 1 }) },
        { label: "The same again", run: begin(now) },
        { label: "Dream on", run: () => loop.resume() },
      ],
    });
  };
  const show = (outcome: Outcome | undefined, ticks: number) => {
    if (outcome && "error" in outcome) {
      score.hidden = true;
      if (!hasFailed) complain("No reward", new Error(`The world plays on without its reward: ${outcome.error}`));
      hasFailed = true;
      return;
    }
    score.hidden = false;
    score.textContent = `Reward ${number(outcome?.total ?? 0)}`;
    if (outcome?.done && !over) {
      over = true;
      end(outcome.total, ticks);
    }
  };
  const watching = loop.frames.subscribe(({ frame, action }) => {
    if (action === null) {
      // Begun anew, restarted or rewound: an end that lies ahead again will be told again.
      over = frame.outcome !== undefined && "done" in frame.outcome && frame.outcome.done;
      if (frame.tick === 0) hasFailed = false;
      close?.();
    }
    show(frame.outcome, frame.tick);
  });
  return () => {
    watching.unsubscribe();
    close?.();
    score.hidden = true;
  };
}

/** As many digits as one wants to read while driving. */
const number = (value: number) => value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 1 });
