/** The Python API as a page. Any Python reads its own source: nothing has to be installed for that. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { findProgram } from "../../tests/setup/command.mjs";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export function pythonPage(): string {
  const python = findProgram("python3") ?? findProgram("python");
  if (!python) throw new Error("Python API: expected python3 on the PATH, found none. Install Python 3.9 or newer.");
  return execFileSync(python, [path("python_api.py"), path("../../python/worldloop")], { encoding: "utf8" });
}
