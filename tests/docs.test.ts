/** What the documents link to is there. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

const documents = ["README.md", "CONTRIBUTING.md", "python/README.md"].concat(
  readdirSync("docs")
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
);

test.each(documents)("%s", (document) => {
  const links = [...readFileSync(document, "utf8").matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map(
    ([, link]) => link ?? "",
  );
  expect(links.filter((link) => !existsSync(join(dirname(document), link)))).toEqual([]);
});
