/** The page of the client tests: no interface, only what a test calls through `window.client`. */
import { checkWorld } from "../../src/model/conformance";
import { openWorld } from "../../src/model/worker-client";
import { comparePatterns, compareTicks, loseDevice } from "./webgpu-page";

export const client = { checkWorld, openWorld, comparePatterns, compareTicks, loseDevice };

declare global {
  interface Window {
    client: typeof client;
  }
}
window.client = client;
