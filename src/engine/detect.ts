/** What this machine's WebAssembly offers, found by validating a function that uses it. */
import { UnsupportedGraphError } from "../errors";
import type { InstructionSet } from "./math";
import { type Code, Func, f32x4, Module, set, v128 } from "./wasm";

const validates = (value: Code): boolean => {
  const func = new Func(0);
  func.add(set(func.local("v128"), value));
  const module = new Module();
  module.define(func, "f");
  return WebAssembly.validate(module.bytes({ pages: 1, shared: false }));
};

/** @throws UnsupportedGraphError without SIMD */
export function detectInstructionSet(): InstructionSet {
  const zeros = v128.f32(0);
  if (validates(f32x4.relaxedMadd(zeros, zeros, zeros))) return "relaxed-simd";
  if (validates(f32x4.add(zeros, zeros))) return "simd";
  throw new UnsupportedGraphError("expected WebAssembly with SIMD, got one without");
}
