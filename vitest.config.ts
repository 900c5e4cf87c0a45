/**
 * Two suites: `unit` (beside the code; no browser) and `browser` (the built page in a headless Chromium, one at a time).
 */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "tests/*.test.ts", "tests/fuzz/*.test.ts", "bench/*.test.ts", "vite/*.test.ts"],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "browser",
          include: ["tests/browser/*.test.ts"],
          globalSetup: "tests/setup/servers.ts",
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 60_000 } }, // a busy machine may take seconds for what is done at once elsewhere
        },
      },
    ],
  },
});
