/**
 * Whether another version of a package lies at its address now. Asks for the manifest's headers alone, and for the manifest
 * where they have changed or say nothing.
 */
import { sha256Hex } from "../model/hash";

export interface VersionCheck {
  /** sha256 of the manifest that lies there, if it is another one than is known. @throws TypeError where nobody answers */
  newer(): Promise<string | undefined>;
}

/** @param url of world.json. @param known sha256 of the manifest that is in use */
export function createVersionCheck(url: string, known: string, ask: typeof fetch = fetch): VersionCheck {
  let seen: string | undefined; // the headers that came last
  let found = known;
  return {
    async newer() {
      const { ok, headers } = await ask(url, { method: "HEAD", cache: "no-store" });
      if (!ok) return undefined; // it is being replaced, or is gone: what plays here plays on
      const mark = headers.get("ETag") ?? headers.get("Last-Modified");
      if (mark === null || mark !== seen) {
        const response = await ask(url, { cache: "no-store" });
        if (!response.ok) return undefined;
        found = await sha256Hex(new Uint8Array(await response.arrayBuffer()));
        seen = mark ?? undefined;
      }
      return found === known ? undefined : found;
    },
  };
}
