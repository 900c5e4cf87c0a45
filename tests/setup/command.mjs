/**
 * Runs a program and waits for it. Its output goes straight to the terminal.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * @param {string} program
 * @param {string[]} args
 * @param {Record<string, string>} [environment] added to this process's
 * @returns {boolean} whether it exited with 0
 */
export function run(program, args, environment = {}) {
  const { status, error } = spawnSync(program, args, { stdio: "inherit", env: { ...process.env, ...environment } });
  if (error) console.error(`${program}: ${error.message}`);
  return status === 0;
}

/**
 * @param {string} name
 * @returns {string | null} the program's full path
 */
export function findProgram(name) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error; // not there, or not ours to run: look on
    }
  }
  return null;
}

/**
 * Installs Debian packages where that is possible: as root, on a system with apt.
 * @param {string[]} packages
 */
export function installDebianPackages(packages) {
  const apt = findProgram("apt-get");
  if (!apt || process.getuid?.() !== 0) return false;
  const quiet = { DEBIAN_FRONTEND: "noninteractive" };
  return (
    run(apt, ["update", "-qq"], quiet) &&
    run(apt, ["install", "-y", "-qq", "--no-install-recommends", ...packages], quiet)
  );
}
