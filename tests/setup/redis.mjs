/**
 * A real redis-server for the tests of the queue: one on the PATH, else the system's package.
 */
import { findProgram, installDebianPackages } from "./command.mjs";

/** @returns {string | null} its path; null when it isn't there and can't be installed */
export function ensureRedis() {
  const found = findProgram("redis-server");
  if (found) return found;
  installDebianPackages(["redis-server"]);
  return findProgram("redis-server");
}
