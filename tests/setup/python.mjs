/**
 * Makes the Python environment of `training/`: `.venv` with what its requirement files pin. Does nothing when it is there
 * and the files haven't changed.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { findProgram, installDebianPackages, run } from "./command.mjs";

const REQUIREMENTS = "training/requirements.txt";
const NO_DEPS = "training/requirements-no-deps.txt"; // says why
const STAMP = ".venv/requirements.sha256";
export const PYTHON = ".venv/bin/python";

/** @returns {string} the environment's interpreter */
export function ensurePython() {
  const wanted = createHash("sha256").update(readFileSync(REQUIREMENTS)).update(readFileSync(NO_DEPS)).digest("hex");
  if (existsSync(PYTHON) && existsSync(STAMP) && readFileSync(STAMP, "utf8") === wanted) return PYTHON;
  const make = () => run("python3", ["-m", "venv", ".venv"]);
  if (!existsSync(PYTHON) || !run(PYTHON, ["-m", "pip", "--version"])) {
    const made = findProgram("python3") !== null && make();
    if (!made && !(installDebianPackages(["python3", "python3-venv"]) && make())) {
      throw new Error(
        "No Python environment: expected Python 3.11 or newer with its venv module (on Debian: python3-venv).",
      );
    }
  }
  for (const what of [
    ["-r", REQUIREMENTS],
    ["--no-deps", "-r", NO_DEPS],
  ]) {
    if (!run(PYTHON, ["-m", "pip", "install", "--quiet", ...what])) {
      throw new Error(`pip could not install ${what.at(-1)} into .venv.`);
    }
  }
  writeFileSync(STAMP, wanted);
  return PYTHON;
}
