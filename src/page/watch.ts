/** Watching a branch: what is recorded is played again, until somebody touches a control. */
import type { Session } from "./session";

/** Plays what is recorded from here on; pauses when something is playing. */
export function watchOrPause(session: Session): void {
  const { loop, world } = session;
  const { branch, tick } = world.journal.position;
  if (loop.state.value.name === "running") loop.pause("Paused.");
  else if (world.journal.action({ branch, tick })) session.watch();
  else loop.resume();
}
