/**
 * Makes the Python environment of `training/`: `.venv` with what `training/requirements.txt` pins. Does nothing when it
 * is there and the file hasn't changed.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { findProgram, installDebianPackages, run } from "./command.mjs";

const REQUIREMENTS = "training/requirements.txt";
const STAMP = ".venv/requirements.sha256";
export const PYTHON = ".venv/bin/python";

/** @returns {string} the environment's interpreter */
export function ensurePython() {
  const wanted = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex");
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
  if (!run(PYTHON, ["-m", "pip", "install", "--quiet", "-r", REQUIREMENTS])) {
    throw new Error(`pip could not install ${REQUIREMENTS} into .venv.`);
  }
  writeFileSync(STAMP, wanted);
  return PYTHON;
}
