/**
 * A world model: a function from a state and an action to the next state, and from a beginning to a first state. It holds
 * no session. `create-world.ts` makes a `World` of it, which does; a server keeps many states of one model.
 */
import type { Beginning } from "./beginning";
import type { Manifest } from "./manifest";
import type { Action, Snapshot, World } from "./world";

/** One call at a time. States are immutable: nobody writes into their arrays. */
export interface WorldModel {
  readonly manifest: Manifest;
  readonly packageSha256: string;
  readonly backend: World["backend"];
  /** The state at tick 0. */
  begin(beginning: Beginning): Promise<Snapshot>;
  /** A prompt that this world can be told, as it is recorded. @throws PromptError */
  checkPrompt(prompt: string): string;
  /** The state one tick later. @throws StateError when the network gives NaN or infinity */
  advance(state: Snapshot, action: Action): Promise<Snapshot>;
  /** Frees the graphs. */
  close(): Promise<void>;
}
