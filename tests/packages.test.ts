/** Each part imports packages of its own group alone, so that `npm ci` is enough to play and `npm run setup` for the rest. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

const read = (path: string) => readFileSync(path, "utf8");
const namesOf = (path: string): string[] => {
  const { dependencies = {}, optionalDependencies = {}, devDependencies = {} } = JSON.parse(read(path));
  return Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies });
};
const page = namesOf("package.json");
const commandLine = [...page, ...namesOf("src/cli/package.json")];
const all = [...commandLine, ...namesOf("tests/package.json")];

const isTest = (path: string) => /\.(test|fixture)\.ts$|^(tests|bench)\/|^vite\/icons\.ts$/.test(path);
const isCommandLine = (path: string) =>
  /^src\/(cli|collect|dataset|serve)\/|^src\/model\/(node-.*|folder-source)\.ts$/.test(path);
const groupOf = (path: string) => (isTest(path) ? all : isCommandLine(path) ? commandLine : page);

/** Names of the packages that a source imports; types cost nothing. */
function importsOf(source: string): string[] {
  const found = source.matchAll(
    /(?:^|\n)(?:import|export)\s(?!type\s)[^;"]*?from "([^"]+)"|import\("([^"]+)"\)|(?:^|\n)import "([^"]+)"/g,
  );
  return [...found]
    .map(([, from, called, alone]) => from ?? called ?? alone ?? "")
    .filter((name) => !/^[./]/.test(name) && !name.startsWith("node:") && !builtinModules.includes(name))
    .map((name) =>
      name
        .split("/")
        .slice(0, name.startsWith("@") ? 2 : 1)
        .join("/"),
    );
}

it("imports nothing that its group doesn't install", () => {
  const files = execFileSync("git", ["ls-files", "src", "workers", "vite", "bench", "tests", "vite.config.ts"], {
    encoding: "utf8",
  });
  const sources = files.split("\n").filter((path) => /\.(ts|mjs)$/.test(path) && path !== "src/cli/start.mjs");
  const strangers = sources.flatMap((path) =>
    importsOf(read(path))
      .filter((name) => !groupOf(path).includes(name))
      .map((name) => `${path}: ${name}`),
  );
  expect(sources.length).toBeGreaterThan(200);
  expect(strangers).toEqual([]);
});

it("keeps servers, queues and onnxruntime-node out of what playing installs", () => {
  for (const name of ["bullmq", "ioredis", "piscina", "ws", "onnxruntime-node", "vitest"])
    expect(page).not.toContain(name);
  expect(read(".npmrc")).toMatch(/^workspaces=false$/m);
});

it("says in one line what to run when a program's packages aren't there", () => {
  const folder = mkdtempSync(join(tmpdir(), "worldloop-start-"));
  try {
    const program = join(folder, "program.mts");
    writeFileSync(program, 'import "no-such-package";\n');
    const { status, stderr } = spawnSync(process.execPath, ["src/cli/start.mjs", program], { encoding: "utf8" });
    expect(stderr).toBe(
      "error: expected the packages of the command line, got none called no-such-package; run: npm run setup\n",
    );
    expect(status).toBe(2);
    writeFileSync(program, 'process.stdout.write(process.argv.slice(2).join(" "));\n');
    const { stdout } = spawnSync(process.execPath, ["src/cli/start.mjs", program, "a", "b"], { encoding: "utf8" });
    expect(stdout).toBe("a b");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
