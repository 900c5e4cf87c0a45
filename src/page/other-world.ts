/** A session of another world than the open one: it is kept in the browser, where that world offers it, and the world opened. */
import type { SavedSession } from "../record/session-file";
import { formatHash } from "../record/share-link";
import { listWorlds } from "./address";
import { make } from "./elements";
import type { SessionStore } from "./session-store";

/** Opens the world of a session; one that isn't of this site came from elsewhere, and is known by its hash. */
export async function goTo({ world, packageSha256 }: Pick<SavedSession, "world" | "packageSha256">): Promise<void> {
  const isHere = (await listWorlds()).includes(world);
  location.hash = formatHash(isHere ? { world } : { foreign: { address: world, sha256: packageSha256 } });
}

/** A button that does both. */
export function openElsewhere(
  store: SessionStore,
  saved: SavedSession,
  fail: (error: Error) => void,
): HTMLButtonElement {
  const open = make("button", { type: "button", textContent: `Open ${saved.world}` });
  open.onclick = () =>
    void keepForLater(store, saved)
      .then(() => goTo(saved))
      .catch(fail);
  return open;
}

/** A session of another world, put where that world offers it. */
async function keepForLater(store: SessionStore, saved: SavedSession): Promise<void> {
  const { record, ...rest } = saved;
  const { width, branches, at } = record;
  await store.save({
    session: {
      ...rest,
      ...{ id: crypto.randomUUID(), title: saved.world, updated: Date.now(), width, at, thumbnail: null },
      branches: branches.map(({ actions, ...own }, id) => ({ ...own, id, ticks: actions.length / width })),
    },
    actions: branches.flatMap(({ actions }, branch) =>
      actions.length > 0 ? [{ branch, from: 0, values: actions }] : [],
    ),
    gone: [],
    goesOn: false,
  });
}
