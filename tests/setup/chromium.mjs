/**
 * Finds a Chromium for the browser tests and the bench: the one named by WORLDLOOP_CHROMIUM, else one on the PATH, else
 * the system's package.
 */
import { existsSync } from "node:fs";
import { findProgram, installDebianPackages } from "./command.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** @returns {string | null} its path */
export function findChromium() {
  const named = process.env.WORLDLOOP_CHROMIUM;
  if (named) {
    if (existsSync(named)) return named;
    throw new Error(`WORLDLOOP_CHROMIUM: expected the path of a Chromium, got ${named}, which isn't there.`);
  }
  return NAMES.map(findProgram).find((path) => path !== null) ?? null;
}

/** @returns {string} its path */
export function ensureChromium() {
  const found = findChromium();
  if (found) return found;
  installDebianPackages(["chromium"]);
  const installed = findChromium();
  if (installed) return installed;
  throw new Error("No Chromium found. Install chromium or Chrome, or set WORLDLOOP_CHROMIUM to the path of one.");
}
