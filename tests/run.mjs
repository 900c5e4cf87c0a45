/**
 * `npm test`: gets what the tests need (Python environment, Chromium), then runs them all and stops at the first step
 * that fails. The last line is the sum of all tests, "N passed, N failed".
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureChromium } from "./setup/chromium.mjs";
import { run } from "./setup/command.mjs";
import { ensurePackages } from "./setup/packages.mjs";
import { ensurePython, PYTHON } from "./setup/python.mjs";

const REPORTS = "test-results";
const bin = (/** @type {string} */ name) => join("node_modules", ".bin", name);
const count = { passed: 0, failed: 0 };

/**
 * @param {string} project
 * @param {string[]} more arguments
 */
function vitest(project, ...more) {
  const report = join(REPORTS, `${project}.json`);
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const ok = run(bin("vitest"), ["run", "--project", project, ...reporters, ...more]);
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, "utf8"));
  count.passed += numPassedTests;
  count.failed += numFailedTests;
  return ok;
}

function pytest() {
  const report = join(REPORTS, "python.xml");
  // One thread each: on tiny networks several threads mostly wait for each other, on a busy machine for minutes.
  const env = { SDL_VIDEODRIVER: "dummy", OMP_NUM_THREADS: "1" };
  const workers = ["-n", `${Math.min(4, availableParallelism())}`, "--dist", "loadfile"];
  const ok = run(PYTHON, ["-m", "pytest", "-q", `--junitxml=${report}`, ...workers], env);
  const suite = /<testsuite [^>]*>/.exec(readFileSync(report, "utf8"))?.[0] ?? "";
  const number = (/** @type {string} */ name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1]);
  const failed = number("failures") + number("errors");
  count.failed += failed;
  count.passed += number("tests") - failed - number("skipped");
  return ok;
}

/** @type {[name: string, step: () => unknown][]} a step fails by returning false or by throwing */
const steps = [
  ["Node packages", ensurePackages],
  ["Python environment", ensurePython],
  ["Chromium", () => Object.assign(process.env, { WORLDLOOP_CHROMIUM: ensureChromium() })],
  [
    "format and lint",
    () => run(bin("biome"), ["ci", "--error-on-warnings", `--colors=${process.stdout.isTTY ? "force" : "off"}`]),
  ],
  [
    "format of Python",
    () => run(PYTHON, ["-m", "ruff", "format", "--check", "training", "tests", "python", "examples", "docs"]),
  ],
  ["lint of Python", () => run(PYTHON, ["-m", "ruff", "check", "training", "tests", "python", "examples", "docs"])],
  ["types", () => run(bin("tsc"), ["-p", "tsconfig.json"])],
  ["types of the worker", () => run(bin("tsc"), ["-p", "workers/tsconfig.json"])],
  ["types of Python", () => run(bin("pyright"), [])],
  ["unit tests", () => vitest("unit", "--maxWorkers=100%")],
  ["Python tests", pytest],
  ["docs", () => run(bin("tsx"), ["docs/run.ts", "build"]) && run(bin("tsc"), ["-p", "docs/tsconfig.json"])],
  ["build", () => run(bin("vite"), ["build", "--logLevel", "warn"])],
  ["browser tests", () => vitest("browser")],
];

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
rmSync(REPORTS, { recursive: true, force: true });
mkdirSync(REPORTS, { recursive: true });
for (const [name, step] of steps) {
  const begin = performance.now();
  console.log(`\n▸ ${name}`);
  let ok = false;
  try {
    ok = step() !== false;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
  console.log(`${ok ? "✓" : "✗"} ${name} (${((performance.now() - begin) / 1000).toFixed(1)} s)`);
  if (!ok) {
    console.error(`\nFailed at: ${name}`);
    process.exitCode = 1;
    break;
  }
}
console.log(`\n${count.passed} passed, ${count.failed} failed`);
