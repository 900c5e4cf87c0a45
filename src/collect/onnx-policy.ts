/**
 * A policy that is a network: `picture` uint8 [1, H, W, 3] in, `action` float32 [1, A] out, static shapes. Like a
 * world's graphs it is data, checked before it runs.
 */
import { readFile } from "node:fs/promises";
import { PolicyError, WorldloopError } from "../errors";
import { createGraphSession, type GraphSession } from "../model/graph-session";
import { sha256Hex } from "../model/hash";
import type { GraphSpec, Manifest } from "../model/manifest";
import { loadNodeRuntime } from "../model/node-runtime";
import { checkOnnx } from "../model/onnx-check";
import { clipAction, type Policy } from "./policy";

/** @throws PolicyError when the file isn't there, isn't the one that was meant, or takes and gives anything else */
export async function openOnnxPolicy(path: string, manifest: Manifest, sha256?: string): Promise<Policy> {
  const session = await openSession(path, manifest, sha256);
  return {
    begin() {
      // Nothing is remembered between frames.
    },
    async act(picture) {
      const { action } = await session.run({ picture });
      return clipAction(`onnx:${path}`, action as Float32Array, manifest);
    },
    close: () => session.close(),
  };
}

/** Of the policy's file. @throws PolicyError when it can't be read */
export async function policyFileSha256(path: string): Promise<string> {
  return sha256Hex(await read(path));
}

async function openSession(path: string, manifest: Manifest, sha256?: string): Promise<GraphSession> {
  const bytes = await read(path);
  const found = await sha256Hex(bytes);
  if (sha256 !== undefined && found !== sha256) {
    throw new PolicyError(`onnx:${path}: expected sha256 ${sha256}, got ${found}; copy the same file to every machine`);
  }
  const { picture, actions } = manifest;
  const spec: GraphSpec = {
    file: path,
    inputs: { picture: { dtype: "uint8", shape: [1, picture.height, picture.width, 3] } },
    outputs: { action: { dtype: "float32", shape: [1, actions.length] } },
  };
  try {
    checkOnnx(path, bytes);
    return await createGraphSession(bytes, spec, await loadNodeRuntime(1));
  } catch (error) {
    if (!(error instanceof WorldloopError)) throw error;
    throw new PolicyError(`onnx:${error.message}`, { cause: error });
  }
}

async function read(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    throw new PolicyError(`onnx:${path}: expected a file, got ${(error as Error).message}`, { cause: error });
  }
}
