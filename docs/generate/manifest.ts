/** `world.json`, field by field, from the zod schema by way of JSON Schema. What the fields mean together: package-format.md. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { manifestSchema } from "../../src/model/manifest";
import { cell, code } from "./markdown";

type Schema = z.core.JSONSchema.JSONSchema;

/**
 * What the source says of a field, above it or behind it, by "parent.field": zod keeps no comments. The parent of a
 * field at the top is `manifestSchema`, and a schema of its own name (`actionSchema`) stands for the field that has it.
 */
function comments(): Map<string, string> {
  const told = new Map<string, string>();
  const open: { indent: number; name: string }[] = [];
  let above: string[] = [];
  for (const line of readFileSync(new URL("../../src/model/manifest.ts", import.meta.url), "utf8").split("\n")) {
    const comment = /^\s*(?:\/\*\*|\*(?!\/))\s?(.*?)\s*(?:\*\/)?$/.exec(line);
    if (comment) {
      if (line.includes("/**")) above = [];
      above.push(comment[1] ?? "");
      continue;
    }
    const [, indent = "", constant, field] = /^(\s*)(?:(?:export )?const (\w+) =|(\w+):)/.exec(line) ?? [];
    const name = constant ?? field;
    if (name) {
      while (open.length && (open.at(-1)?.indent ?? 0) >= indent.length) open.pop();
      const behind = /\/\/\s*(.+)$/.exec(line)?.[1];
      const text = above.join(" ").trim() || behind;
      if (field && text) told.set(`${open.at(-1)?.name}.${name}`, text);
      open.push({ indent: indent.length, name });
      const schema = /\b(\w+Schema)\b/.exec(line)?.[1];
      if (field && schema) told.set(schema, name); // an alias
    }
    if (line.trim() && !line.trim().startsWith("*/")) above = [];
  }
  for (const [key, text] of [...told]) {
    const [parent = "", name] = key.split(".");
    const alias = told.get(parent);
    if (name && alias) told.set(`${alias}.${name}`, text);
  }
  return told;
}

export function manifestPage(): string {
  const schema = z.toJSONSchema(manifestSchema, { io: "input" });
  const told = comments();
  const rows: string[] = [];
  const visit = (at: string, node: Schema, required: boolean) => {
    const followed = follow(schema, node);
    const [name, parent = "manifestSchema"] = at.replaceAll("[]", "").split(".").reverse();
    const note = told.get(`${parent}.${name}`) ?? "";
    const optional = required || note.startsWith("Optional") ? "" : "Optional. ";
    rows.push(`| ${code(at)} | ${cell(typeOf(followed))} | ${cell(optional + note)} |`);
    const inner = followed.type === "array" ? follow(schema, followed.items as Schema) : followed;
    const prefix = followed.type === "array" ? `${at}[]` : at;
    for (const [key, child] of Object.entries(inner.properties ?? {})) {
      visit(`${prefix}.${key}`, child as Schema, (inner.required ?? []).includes(key));
    }
  };
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    visit(key, child as Schema, (schema.required ?? []).includes(key));
  }
  return `# Fields of world.json

Made from the schema in \`src/model/manifest.ts\`; \`python/worldloop/manifest.schema.json\` is the same as JSON Schema.
[The world package](../package-format.md) says what they mean together, and what is refused.

| field | type | |
|---|---|---|
${rows.join("\n")}

## JSON Schema

\`\`\`json
${JSON.stringify(schema, null, 2)}
\`\`\`
`;
}

function follow(root: Schema, node: Schema): Schema {
  const name = node.$ref?.split("/").at(-1);
  return name === undefined ? node : (root.$defs?.[name] as Schema);
}

function typeOf(node: Schema): string {
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum) return node.enum.map((value) => JSON.stringify(value)).join(", ");
  if (node.type === "array") return `list${node.minItems ? `, ${node.minItems} or more` : ""}`;
  if (node.type === "object" && !node.properties) return "by name";
  if (node.pattern) return `${node.type}, ${node.pattern}`;
  if (node.exclusiveMinimum !== undefined) return `${node.type}, over ${node.exclusiveMinimum}`;
  if (node.minimum !== undefined && node.minimum > Number.MIN_SAFE_INTEGER)
    return `${node.type}, ${node.minimum} or more`;
  return String(node.type);
}
