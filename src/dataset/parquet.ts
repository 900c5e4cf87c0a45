/** Parquet files by a table of columns. Which tables a dataset has is the business of its format. */
import type { SchemaElement } from "hyparquet";
import { fileWriter, ParquetWriter } from "hyparquet-writer";

/** "int64[]" is a list of int64; "image" is a struct of bytes and path, as the `datasets` library stores pictures. */
export type ColumnType =
  | "int64"
  | "float32"
  | "float64"
  | "string"
  | "image"
  | `${"float32" | "float64" | "string"}${"[]" | "[][][]"}`;

/** Columns in their order. */
export type Columns = Readonly<Record<string, ColumnType>>;
/** One array per column; int64 as bigint. */
export type Rows = Readonly<Record<string, readonly unknown[]>>;

const LEAVES = {
  int64: { type: "INT64" },
  float32: { type: "FLOAT" },
  float64: { type: "DOUBLE" },
  string: { type: "BYTE_ARRAY", converted_type: "UTF8" },
} as const;

export interface Table {
  /** Adds a row group. */
  write(rows: Rows): void;
  finish(): void;
}

/**
 * @param metadata goes into the file's own key-value metadata
 * @throws the file system's errors, here and in `write` and `finish`
 */
export function createTable(path: string, columns: Columns, metadata: Readonly<Record<string, string>> = {}): Table {
  const schema: SchemaElement[] = [
    { name: "schema", num_children: Object.keys(columns).length },
    ...Object.entries(columns).flatMap(([name, type]) => elementsOf(name, type)),
  ];
  const kvMetadata = Object.entries(metadata).map(([key, value]) => ({ key, value }));
  const writer = new ParquetWriter({ writer: fileWriter(path), schema, kvMetadata, createdBy: "worldloop" });
  return {
    write(rows) {
      const columnData = Object.entries(columns).map(([name, type]) => {
        const plain = type === "image" ? ({ codec: "UNCOMPRESSED", statistics: false } as const) : {}; // PNG is packed
        return { name, data: [...(rows[name] as unknown[])], ...plain };
      });
      writer.write({ columnData, rowGroupSize: Number.MAX_SAFE_INTEGER });
    },
    finish() {
      writer.finish();
    },
  };
}

/** The schema's elements of a column, parents first. */
function elementsOf(name: string, type: ColumnType): SchemaElement[] {
  if (type === "image") {
    return [
      { name, repetition_type: "OPTIONAL", num_children: 2 },
      { name: "bytes", type: "BYTE_ARRAY", repetition_type: "OPTIONAL" },
      { name: "path", ...LEAVES.string, repetition_type: "OPTIONAL" },
    ];
  }
  if (type.endsWith("[]")) {
    return [
      { name, repetition_type: "OPTIONAL", converted_type: "LIST", num_children: 1 },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      ...elementsOf("element", type.slice(0, -2) as ColumnType),
    ];
  }
  return [{ name, ...LEAVES[type as keyof typeof LEAVES], repetition_type: "OPTIONAL" }];
}
