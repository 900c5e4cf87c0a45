/** Thousands of addresses of the page, shared links among them: `npx tsx tests/fuzz/addresses.ts`. */
import { packActions } from "../../src/record/share-link";
import { runTries } from "./tries";
import { mutateAddress, tryAddress } from "./try-address";

await runTries({ program: import.meta.url, of: "addresses", count: 10_000 }, async (seed) => {
  const replay = await packActions(Array.from({ length: 200 }, (_, t) => Float32Array.of(Math.sin(t), t % 2, 0)));
  return {
    async attempt(index) {
      const location = mutateAddress(seed, index, replay);
      const what = `${index}: ${location.search}${location.hash}`.slice(0, 500);
      try {
        return { what, outcome: await tryAddress(location) };
      } catch (error) {
        throw new Error(`${what}: ${(error as Error).stack}`, { cause: error });
      }
    },
  };
});
