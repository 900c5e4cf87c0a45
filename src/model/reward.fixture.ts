/** A reward head for the tiny world of the goldens, for tests: the reward is the gas, and steering full right ends the episode. */
import { writeOnnx } from "../engine/onnx.fixture";
import { contractOf } from "./contract";
import { sha256Hex } from "./hash";
import { type Manifest, parseManifest } from "./manifest";

/** @param broken a head that divides by zero */
export function rewardGraph({ latent, actions }: Manifest, broken = false): Uint8Array<ArrayBuffer> {
  const float = (...shape: number[]) => ({ kind: "float32", shape }) as const;
  const column = (name: string) => Float32Array.from(actions, (action) => Number(action.name === name));
  const tokens = float(1, latent.tokens, latent.channels);
  return writeOnnx({
    inputs: { latent: tokens, action: float(1, actions.length), latent_next: tokens },
    outputs: { reward: float(1), done: float(1) },
    constants: {
      gas: { shape: [actions.length, 1], data: column("gas") },
      steer: { shape: [actions.length, 1], data: column("steer") },
      flat: { shape: [1], data: Int32Array.of(1) },
      divisor: { shape: [1], data: Float32Array.of(broken ? 0 : 1) },
    },
    nodes: [
      { operator: "MatMul", inputs: ["action", "gas"], outputs: ["g"] },
      { operator: "Reshape", inputs: ["g", "flat"], outputs: ["g1"] },
      { operator: "Div", inputs: ["g1", "divisor"], outputs: ["reward"] },
      { operator: "MatMul", inputs: ["action", "steer"], outputs: ["s"] },
      { operator: "Reshape", inputs: ["s", "flat"], outputs: ["done"] },
    ],
  });
}

/** The text of a manifest that lists this head besides what it lists already. */
export async function withReward(text: string, graph: Uint8Array<ArrayBuffer>): Promise<string> {
  const path = "reward.onnx";
  const { reward } = contractOf(parseManifest(text));
  const json = JSON.parse(text);
  const file = { bytes: graph.length, sha256: await sha256Hex(graph) };
  return JSON.stringify({ ...json, reward: { file: path, ...reward }, files: { ...json.files, [path]: file } });
}
