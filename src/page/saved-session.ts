/** The session that is played, as a file and the browser's storage keep it. */
import { RecordingError } from "../errors";
import { engineOf, type SavedSession } from "../record/session-file";
import type { Session } from "./session";

/**
 * With the picture of the person's own that it began at, if it did: who lets it leave the machine has to ask.
 * @param name of the world, as links have it. @throws RecordingError when it began at neither that nor a start of the world
 */
export function savedSession(
  { world, beginning }: Pick<Session, "world" | "beginning">,
  name: string,
): SavedSession & { readonly ids: readonly number[] } {
  const { journal, manifest, backend, packageSha256 } = world;
  if (!journal.from || "snapshot" in journal.from || (journal.from.reset.context && !beginning.value.picture)) {
    throw new RecordingError(
      "session: expected one that began at a start of the world or a picture. Reset, then play.",
    );
  }
  const { ids, ...record } = journal.record();
  return {
    world: name,
    packageSha256,
    engine: engineOf(backend),
    ...beginning.value,
    actionNames: manifest.actions.map((action) => action.name),
    record: { ...record, width: manifest.actions.length },
    ids,
  };
}
