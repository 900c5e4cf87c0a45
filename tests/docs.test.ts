/** What the documents say is there: links and their anchors, commands and their flags, files, worlds; and so is the reference. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { benchmarkTables, worldNames } from "../docs/generate/benchmarks";
import { cliPage, program } from "../docs/generate/cli";
import { manifestPage } from "../docs/generate/manifest";
import { pythonPage } from "../docs/generate/python";
import { manifestSchema } from "../src/model/manifest";

const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "python/README.md",
  "examples/push_t_policy/README.md",
  ...["docs", "docs/tutorials", "docs/decisions"].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".md"))
      .map((name) => join(folder, name)),
  ),
];
const read = (path: string) => readFileSync(path, "utf8");
const withoutCode = (text: string) => text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "code");

/** Anchors of a page, as the site and the repository's host both make them. */
function anchors(path: string): string[] {
  const headings = read(path)
    .replace(/^```[\s\S]*?^```/gm, "")
    .matchAll(/^#{1,6} (.+)$/gm);
  return [...headings].flatMap(([, heading = ""]) => {
    const text = heading.toLowerCase().replace(/[`*]/g, "");
    const host = text.replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
    const site = text.replace(/[^\p{L}\p{N}_]+/gu, "-").replace(/^-|-$/g, "");
    return host === site ? [host] : [];
  });
}

/** Lines of the shell in a document, continued lines joined, comments left out. */
function commands(text: string): string[] {
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)]
    .flatMap(([, block = ""]) => block.replace(/\n\s+(?=\[)/g, " ").split("\n"))
    .map((line) => line.replace(/\s+# .*$/, "").trim())
    .filter((line) => line && !line.startsWith("#"));
}

const flagsOf = (line: string) => [...line.matchAll(/(?<=[\s[])--[a-z][a-z-]*/g)].map(([flag]) => flag);

/** Files of a Python module whose arguments a command takes. */
function moduleFiles(module: string): string[] {
  const path = (module.startsWith("worldloop") ? `python/${module}` : module).replaceAll(/\.(?=\w)/g, "/");
  const found = [`${path}.py`, `${path}/__main__.py`].filter(existsSync);
  return [...found, ...(module === "training.run" ? ["training/data/bring.py"] : [])];
}

describe.each(documents)("%s", (document) => {
  const text = read(document);

  test("links lead somewhere", () => {
    const broken = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link = ""]) => link)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [path = "", anchor] = link.split("#");
        const target = path ? normalize(join(dirname(document), path)) : document;
        if (target.startsWith("docs/reference/")) {
          const page = { "docs/reference/cli.md": cliPage }[target];
          return !page || (anchor !== undefined && !page().includes(`\n## ${anchor}\n`));
        }
        return !existsSync(target) || (anchor !== undefined && !anchors(target).includes(anchor));
      });
    expect(broken).toEqual([]);
  });

  test("commands and their flags exist", () => {
    const known = Object.keys((JSON.parse(read("package.json")) as { scripts: object }).scripts);
    const wrong: string[] = [];
    for (const line of commands(text)) {
      for (const [, script = ""] of line.matchAll(/npm (?:run (?:--silent )?)?([a-z]+)(?=\s|$)/g)) {
        if (!known.includes(script) && script !== "ci" && script !== "install") wrong.push(`${line}: npm ${script}`);
      }
      const [, name, rest = ""] = /worldloop -- ([a-z-]+)(.*)/.exec(line) ?? [];
      if (name) {
        const options = program().commands.find((command) => command.name() === name)?.options;
        const flags = flagsOf(rest);
        const unknown = flags.filter((flag) => !options?.some((option) => option.long === flag));
        const missing = options?.filter((o) => o.mandatory && !flags.includes(o.long ?? "")) ?? [];
        if (!options || unknown.length) wrong.push(`${line}: ${unknown}`);
        if (missing.length && !rest.includes("…")) wrong.push(`${line}: without ${missing.map((o) => o.long)}`);
      }
      const [, module, more = ""] = /python3? -m ([\w.]+)(.*)/.exec(line) ?? [];
      if (module && !["venv", "pip", "pytest"].includes(module)) {
        const source = moduleFiles(module).map(read).join();
        wrong.push(
          ...flagsOf(more)
            .filter(
              (flag) => !source.includes(`"${flag}"`) && !source.includes(`${flag.slice(2).replaceAll("-", "_")}:`),
            )
            .map((flag) => `${line}: ${flag}`),
        );
        if (!source) wrong.push(`${line}: no module`);
      }
      if (/npm run --silent bench/.test(line)) {
        wrong.push(...flagsOf(line.split(" -- ")[1] ?? "").filter((flag) => !read("bench/bench.ts").includes(flag)));
      }
    }
    expect(wrong).toEqual([]);
  });

  // Decisions tell of what was, files that are gone included.
  test.skipIf(document.includes("decisions/"))("files that it names exist", () => {
    const named = [...text.matchAll(/`((?:src|docs|training|tests|python|examples|assets|bench)\/[\w./-]*\w)`/g)]
      .map(([, path = ""]) => path)
      .filter((path) => !/NAME|WORLD|docs\/dist/.test(path));
    expect(named.filter((path) => !existsSync(path) && !existsSync(`${path}.ts`))).toEqual([]);
  });
});

test("every page is in the sidebar", () => {
  const config = read("docs/.vitepress/config.ts");
  const pages = documents.filter((path) => /^docs\/(?!decisions|index)/.test(path)).map((path) => path.slice(5, -3));
  expect(pages.filter((page) => !config.includes(`link: "/${page}"`))).toEqual([]);
});

test("the tour shows every world that ships, from starts that it has", () => {
  const shown = [...read("docs/tour.md").matchAll(/<LiveWorld world="([\w-]+)" title="([^"]+)"(?: :start="(\d+)")?/g)];
  expect(shown.map(([, world]) => world).sort()).toEqual(worldNames());
  for (const [, world, title, start = "0"] of shown) {
    const manifest = JSON.parse(read(`assets/worlds/${world}/world.json`));
    expect(title).toBe(manifest.title);
    expect(Number(start)).toBeLessThan(manifest.starts.length);
  }
});

test.each(readdirSync("docs/pictures"))("the pictures of %s are of the network that ships, and small", (world) => {
  const parts = JSON.parse(read(`docs/pictures/${world}/parts.json`));
  const graph = createHash("sha256")
    .update(readFileSync(`assets/worlds/${world}/tick.onnx`))
    .digest("hex");
  expect(parts.tickSha256, "draw them again: docs/how-it-works.md says how").toBe(graph);
  const bytes = readdirSync(`docs/pictures/${world}`).map((file) => statSync(`docs/pictures/${world}/${file}`).size);
  expect(bytes.reduce((a, b) => a + b)).toBeLessThan(150_000);
});

describe("the reference", () => {
  test("has every command with every option, each with a description", () => {
    const page = cliPage();
    const { commands } = program();
    expect(commands.length).toBeGreaterThan(5);
    for (const command of commands) {
      const [, section = ""] = page.split(`\n## ${command.name()}\n`);
      const [own = ""] = section.split("\n## ");
      expect(own).toContain(command.description());
      for (const { flags, description } of command.options) {
        expect(description).not.toBe("");
        expect(own).toContain(`| \`${flags}\` | ${description.slice(0, 20)}`);
      }
    }
  });

  test("has every field of world.json, with what the source says of it", () => {
    const page = manifestPage();
    for (const field of Object.keys(manifestSchema.def.innerType.shape)) expect(page).toContain(`\n| \`${field}\` | `);
    expect(page).toContain("| `actions[].rest` | number | Value when nothing is pressed. |");
    expect(page).toContain("| `starts[].actions` | string | float32 little-endian [frames - 1, actions]");
    const [, schema = ""] = /```json\n([\s\S]*?)```/.exec(page) ?? [];
    const { properties } = JSON.parse(read("python/worldloop/manifest.schema.json"));
    expect(Object.keys(JSON.parse(schema).properties)).toEqual(Object.keys(properties));
  });

  test("has every public name of the Python package, with its methods", () => {
    const page = pythonPage();
    const [, all = ""] = /__all__ = \[([\s\S]*?)\]/.exec(read("python/worldloop/__init__.py")) ?? [];
    for (const [, name] of all.matchAll(/"(\w+)"/g)) expect(page).toContain(`\n## ${name}\n`);
    expect(page).toContain("step(action: np.ndarray, *, samples: int=0, guide: np.ndarray | None=None) -> Tick");
    for (const [, name] of read("python/worldloop/errors.py").matchAll(/^class (\w+)/gm)) expect(page).toContain(name);
  });

  test("has figures of every world, and nothing that is no figure", () => {
    const tables = benchmarkTables();
    for (const name of worldNames()) expect(tables.split(`[${name}]`)).toHaveLength(4);
    expect(tables).not.toMatch(/NaN|undefined|null/);
  });
});
