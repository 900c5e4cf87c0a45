/**
 * The engines in Node and the worlds on disk: what the command line, benches and tests run on. Unless asked otherwise that
 * is onnxruntime-node, whose code is native; our own engine is the one that browsers have. For Node only.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import v8 from "node:v8";
import { Worker } from "node:worker_threads";
import { detectInstructionSet } from "../engine/detect";
import { HELPER_SCRIPT, type Helper } from "../engine/threads";
import { BackendError, quoted, UnknownWorldError } from "../errors";
import { createWorld, type WorldOptions } from "./create-world";
import { chooseEngine, type Engine, ortEngine } from "./engine";
import type { EngineChoice, Precision } from "./engine-choice";
import type { Runtime } from "./graph-session";
import type { Manifest } from "./manifest";
import { createNetworkModel } from "./network-model";
import { placeSource } from "./node-source";
import { type OwnOptions, ownEngine } from "./own-engine";
import { openPackage, type WorldPackage } from "./package";
import type { World } from "./world";

/** The worlds that ship with the app. */
export const WORLDS_FOLDER = fileURLToPath(new URL("../../assets/worlds/", import.meta.url));

const DEFAULT_THREADS = 2;

export interface NodeRuntime extends Runtime {
  readonly version: string;
}

/**
 * @param threads threads inside one operator
 * @throws BackendError when onnxruntime-node isn't installed
 */
export async function loadNodeRuntime(threads = DEFAULT_THREADS): Promise<NodeRuntime> {
  const ort = await import("onnxruntime-node").catch((error: Error) => {
    throw new BackendError(
      `expected the package onnxruntime-node, got none (${error.message.split("\n")[0]}); run: npm run setup`,
    );
  });
  return {
    ort,
    version: ort.env.versions.node ?? ort.env.versions.common,
    options: { executionProviders: ["cpu"], intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 },
    backend: { name: "cpu", threads },
  };
}

export interface NodeEngine extends Engine {
  /** Of onnxruntime, or what our own engine runs on: with the same one, frames are the same to the last bit. */
  readonly version: string;
}

export interface EngineOptions {
  /** Default: ort. "auto" measures. */
  readonly engine?: EngineChoice | undefined;
  /** Of our own engine; default: float32. */
  readonly precision?: Precision | undefined;
  /** Default: 2 of onnxruntime, 1 of our own engine. */
  readonly threads?: number | undefined;
}

/**
 * @throws BackendError when onnxruntime-node isn't installed; UnsupportedGraphError when our own engine doesn't cover it
 */
export async function openNodeEngine(
  opened: WorldPackage,
  { engine: choice = "ort", precision, threads }: EngineOptions = {},
): Promise<NodeEngine> {
  let version = "";
  const ort = async () => {
    const runtime = await loadNodeRuntime(threads ?? DEFAULT_THREADS);
    version = runtime.version;
    return ortEngine(runtime);
  };
  const engine = await chooseEngine(choice, opened, { own: async () => ownNodeEngine({ precision, threads }), ort });
  return { ...engine, version: engine.backend.arithmetic ?? version };
}

/** Node 20 has relaxed SIMD behind a flag of its V8, which can still be set before the first module is compiled. */
function ownNodeEngine(options: OwnOptions): Engine {
  if (detectInstructionSet() === "simd") v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
  return ownEngine({ ...options, startHelper: nodeHelper });
}

/** A thread of Node that doesn't keep the process alive. */
function nodeHelper(): Helper {
  const worker = new Worker(HELPER_SCRIPT, { eval: true, execArgv: [] });
  return {
    start: (message) =>
      new Promise((resolve, reject) => {
        worker.once("error", reject);
        worker.once("message", () => {
          worker.unref();
          resolve();
        });
        worker.postMessage(message);
      }),
    end: () => void worker.terminate(),
  };
}

export interface OpenedNodeWorld {
  readonly world: World;
  readonly package: WorldPackage;
  readonly engine: NodeEngine;
}

/**
 * Opens a world of `assets/worlds` by name, or any package by its folder or zip.
 * @throws UnknownWorldError, BackendError, UnsupportedGraphError, and all that `openPackage` throws
 */
export async function openWorldNode(
  nameOrFolder: string,
  options: WorldOptions & EngineOptions = {},
): Promise<OpenedNodeWorld> {
  const opened = await openPackage(await placeSource(findWorld(nameOrFolder)));
  const engine = await openNodeEngine(opened, options);
  const world = createWorld(await createNetworkModel(opened, engine), options);
  return { world, package: opened, engine };
}

/** The folder or zip of a world. A name wins over a folder of the same name. @throws UnknownWorldError */
export function findWorld(nameOrFolder: string, worldsFolder = WORLDS_FOLDER): string {
  const names = listWorlds(worldsFolder);
  if (names.includes(nameOrFolder)) return join(worldsFolder, nameOrFolder);
  if (nameOrFolder !== "" && existsSync(join(nameOrFolder, "world.json"))) return resolve(nameOrFolder);
  if (existsSync(nameOrFolder) && statSync(nameOrFolder).isFile()) return resolve(nameOrFolder); // any text is no error
  const near = closest(nameOrFolder.slice(0, 100), names);
  const hint = near ? `; did you mean "${near}"?` : "";
  throw new UnknownWorldError(
    `world: expected ${names.length ? `one of ${names.join(", ")} or ` : ""}a zip or a folder with a world.json, got ${quoted(nameOrFolder)}${hint}`,
  );
}

/** Whether this is the name of a world of `assets/worlds`. */
export const isShippedWorld = (name: string, worldsFolder = WORLDS_FOLDER): boolean =>
  listWorlds(worldsFolder).includes(name);

/** How a record names its world, to open it again: as its folder in `assets/worlds` is called, or by where it lies. */
export interface WorldPlace {
  readonly world: string;
  readonly folder?: string;
}

export function placeOf(nameOrFolder: string, { name }: Manifest, worldsFolder = WORLDS_FOLDER): WorldPlace {
  if (isShippedWorld(nameOrFolder, worldsFolder)) return { world: nameOrFolder };
  return { world: name, folder: resolve(nameOrFolder) };
}

/** Names of the worlds in a folder of packages. */
export function listWorlds(folder = WORLDS_FOLDER): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, "world.json")))
    .sort();
}

/** The name nearest to what was typed, if no more than a third of it would have to change. */
function closest(typed: string, names: readonly string[]): string | undefined {
  const distances = names.map((name) => ({ name, distance: editDistance(typed.toLowerCase(), name) }));
  const best = distances.sort((a, b) => a.distance - b.distance)[0];
  return best && best.distance <= Math.max(2, best.name.length / 3) ? best.name : undefined;
}

/** Levenshtein: letters to insert, delete or replace. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
