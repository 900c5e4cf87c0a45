/** Installs what `npm ci` leaves out, the packages of the command line and of the tests; does nothing when they are there. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./command.mjs";

const read = (/** @type {string} */ folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

/** A package lies beside the one that asks for it or, as a rule, in the root's folder; whether it has the version of the lock is npm's business. */
const isThere = (/** @type {string} */ folder, /** @type {string} */ name) =>
  [folder, "."].some((place) => existsSync(join(place, "node_modules", name, "package.json")));

/** @returns {boolean} whether they are there now */
export function ensurePackages() {
  const folders = /** @type {string[]} */ (read(".").workspaces);
  const isWhole = folders.every((folder) => {
    const { dependencies = {}, optionalDependencies = {} } = read(folder);
    return Object.keys({ ...dependencies, ...optionalDependencies }).every((name) => isThere(folder, name));
  });
  return isWhole || run("npm", ["run", "setup"]);
}
