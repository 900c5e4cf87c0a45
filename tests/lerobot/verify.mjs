/**
 * Checks exports with the real `lerobot` package, in a Python environment of its own (some gigabytes, Python 3.12 or
 * newer): `node tests/lerobot/verify.mjs [EPISODES]`. Kept out of `npm test` for its size; the everyday tests read the
 * same files with hyparquet and pyarrow. The environment is kept in .cache/lerobot.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram, run } from "../setup/command.mjs";

const PACKAGE = "lerobot[dataset]==0.6.1";
const FRAMES = "20";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));
const environment = join(".cache", "lerobot");
const python = process.env.WORLDLOOP_LEROBOT_PYTHON ?? join(environment, "bin", "python");
if (!existsSync(python)) {
  const base = ["python3.13", "python3.12", "python3"].map(findProgram).find((path) => path !== null);
  if (!base || !run(base, ["-m", "venv", environment]) || !run(python, ["-m", "pip", "install", "-q", PACKAGE])) {
    console.error(`Could not install ${PACKAGE}: expected Python 3.12 or newer, and a package index within reach.`);
    process.exit(1);
  }
}

const folder = mkdtempSync(join(tmpdir(), "worldloop-lerobot-"));
try {
  const episodes = process.argv[2] ?? "200";
  const formats = findProgram("ffmpeg") ? ["lerobot", "mp4"] : ["lerobot"];
  if (formats.length === 1) console.error("No ffmpeg on the PATH: mp4 isn't checked.");
  const collect = ["collect", "--world", "tests/goldens/tiny-world", "--episodes", episodes, "--frames", FRAMES];
  const worldloop = (/** @type {string[]} */ parameters) =>
    run(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...parameters]);
  const done = formats.every((format) =>
    worldloop([...collect, "--seed", "1", "--format", format, "--out", join(folder, format)]),
  );
  const folders = formats.map((format) => join(folder, format));
  const same = done && run(python, ["tests/lerobot/compare.py", ...folders], { HF_HUB_OFFLINE: "1" });
  process.exitCode = same ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
