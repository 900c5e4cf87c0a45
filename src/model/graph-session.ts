/**
 * One ONNX graph, ready to run: typed arrays in, typed arrays out. onnxruntime is injected, so that the same code runs on
 * onnxruntime-node and on onnxruntime-web in a worker. One run at a time: `create-world.ts` sees to that.
 */
import type { InferenceSession, Tensor, TensorConstructor } from "onnxruntime-common";
import { BackendError, ShapeError } from "../errors";
import type { Bytes } from "./bytes";
import { checkTensors } from "./contract";
import type { GraphSpec } from "./manifest";
import type { World } from "./world";

/** An onnxruntime, and how its sessions are to be made. */
export interface Runtime {
  readonly ort: {
    readonly InferenceSession: {
      create(bytes: Bytes, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
    };
    readonly Tensor: TensorConstructor;
  };
  readonly options: InferenceSession.SessionOptions;
  readonly backend: World["backend"];
}

export type TensorData = Float32Array | Int32Array | Uint8Array;

/** A tensor's values, row by row; or the rows of its first axis, null for zeros, which nobody writes to afterwards. */
export type Feed = TensorData | readonly (Float32Array | null)[];

export interface GraphSession {
  /**
   * @param feeds one per input of the manifest, of its shape's size; arrays may be reused afterwards, rows may not
   * @returns one array per output, owned by the caller
   */
  run(feeds: Readonly<Record<string, Feed>>): Promise<Readonly<Record<string, TensorData>>>;
  close(): Promise<void>;
}

/** @throws BackendError when onnxruntime can't load the graph, ShapeError when it isn't what the manifest says */
export async function createGraphSession(bytes: Bytes, spec: GraphSpec, runtime: Runtime): Promise<GraphSession> {
  const { InferenceSession, Tensor } = runtime.ort;
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(bytes, runtime.options);
  } catch (error) {
    const reason = (error as Error).message;
    throw new BackendError(
      `${spec.file}: ${runtime.backend.name} can't load the graph (${reason}). Try another backend.`,
    );
  }
  try {
    checkSide(`${spec.file}, inputs`, spec.inputs, session.inputNames, session.inputMetadata);
    checkSide(`${spec.file}, outputs`, spec.outputs, session.outputNames, session.outputMetadata);
  } catch (error) {
    await session.release();
    throw error;
  }

  return {
    async run(feeds) {
      const inputs: Record<string, Tensor> = {};
      for (const [name, { dtype, shape }] of Object.entries(spec.inputs)) {
        const data = feeds[name];
        if (!data) throw new ShapeError(`${spec.file}: expected a value for ${name}, got none.`);
        inputs[name] = new Tensor(dtype, isRows(data) ? joined(data, shape) : data, shape);
      }
      const outputs = await session.run(inputs).catch((error: Error) => {
        if (error.name !== "Error") throw error; // a trap inside the WASM module: the worker's life cycle ends with it
        const [reason] = error.message.split("\n");
        throw new BackendError(
          `${spec.file}: ${runtime.backend.name} can't run the graph (${reason}). Export it again.`,
        );
      });
      const results: Record<string, TensorData> = {};
      try {
        for (const name of Object.keys(spec.outputs)) {
          results[name] = ((await (outputs[name] as Tensor).getData()) as TensorData).slice();
        }
      } finally {
        for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) (tensor as Tensor).dispose();
      }
      return results;
    },
    close: () => session.release(),
  };
}

export const isRows = (feed: Feed): feed is readonly (Float32Array | null)[] => Array.isArray(feed);

function joined(rows: readonly (Float32Array | null)[], shape: readonly number[]): Float32Array {
  const out = new Float32Array(shape.reduce((size, side) => size * side, 1));
  rows.forEach((row, index) => {
    if (row) out.set(row, (index * out.length) / rows.length);
  });
  return out;
}

/** One array of zeros per input, for measurements. */
export function zeroFeeds(spec: GraphSpec): Record<string, TensorData> {
  const arrays = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };
  const feeds: Record<string, TensorData> = {};
  for (const [name, { dtype, shape }] of Object.entries(spec.inputs)) {
    feeds[name] = new arrays[dtype](shape.reduce((size, side) => size * side, 1));
  }
  return feeds;
}

/** Compares what a session says of one side with the manifest: names always, types and shapes where it knows them. */
function checkSide(
  where: string,
  expected: GraphSpec["inputs"],
  names: readonly string[],
  metadata: readonly InferenceSession.ValueMetadata[] | undefined, // not every backend has it
): void {
  const described = names.map((name, index) => {
    const known = metadata?.[index];
    if (!known?.isTensor) return [name, expected[name] ?? { dtype: "float32", shape: [] }] as const;
    return [name, { dtype: known.type, shape: known.shape }] as const;
  });
  checkTensors(where, expected, Object.fromEntries(described) as GraphSpec["inputs"]);
}
