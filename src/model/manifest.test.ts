import { expect, it } from "vitest";
import { z } from "zod";
import { manifestSchema, parseManifest } from "./manifest";

it("is the schema that the Python package reads; `npx vitest run --project unit src/model/manifest.test.ts -u` writes it", async () => {
  const schema = { title: "world.json of a Worldloop package", ...z.toJSONSchema(manifestSchema, { io: "input" }) };
  const file = "../../python/worldloop/manifest.schema.json";
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(file);
});

it("says where a field is wrong", () => {
  expect(() => parseManifest('{"schema": 1, "name": "A world"}')).toThrow(/world.json, name: /);
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  expect(() => parseManifest(`{"schema": ${deep}}`)).toThrow(/expected schema 1, got something nested too deeply/);
});
