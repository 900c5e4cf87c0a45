/**
 * Actions by name, as people and logs write them, and as the action vector, as the network takes them. The table
 * of names, order and ranges is the manifest's. Where actions come from (keys, pads, files) is others' business.
 */
import { ActionError, quoted } from "../errors";
import type { ActionSpec } from "../model/manifest";
import type { Action } from "../model/world";

/** One value per name of the action table. */
export type NamedAction = Readonly<Record<string, number>>;

/**
 * The action vector of an action written by name, such as `{"steer": -0.5, "gas": 1, "brake": 0}`.
 * @throws ActionError when it is no object, a name is missing or too many, or a value isn't a number in range
 */
export function parseAction(value: unknown, specs: readonly ActionSpec[]): Action {
  const names = specs.map((spec) => spec.name).join(", ");
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ActionError(`expected an object with ${names}, got ${quoted(value)}`);
  }
  const extra = Object.keys(value).find((name) => !specs.some((spec) => spec.name === name));
  if (extra !== undefined) throw new ActionError(`${extra}: no such action; expected ${names}`);
  const missing = specs.find((spec) => !Object.hasOwn(value, spec.name));
  if (missing) throw new ActionError(`${missing.name}: missing; expected ${names}`);
  const entries = value as Record<string, unknown>;
  return Float32Array.from(specs, (spec) => checkValue(entries[spec.name], spec));
}

/** @throws ActionError when the vector has another length than the table, or a value isn't a number in range */
export function checkAction(action: Action, specs: readonly ActionSpec[]): void {
  if (action.length !== specs.length) {
    throw new ActionError(
      `action: expected ${specs.length} values (${specs.map((spec) => spec.name).join(", ")}), got ${action.length}`,
    );
  }
  specs.forEach((spec, index) => {
    checkValue(action[index], spec);
  });
}

/** The inverse of `parseAction`, with numbers as short as float32 allows: 0.1 rather than 0.10000000149011612. */
export function nameAction(action: Action, specs: readonly ActionSpec[]): NamedAction {
  return Object.fromEntries(specs.map((spec, index) => [spec.name, shortest(action[index] ?? spec.rest)]));
}

/** The shortest decimal number that float32 rounds to `value`. Nine digits always do. */
function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}

/** Bounds are compared as float32: a limit such as 0.1 is then reached by the vector's own rounded value. */
function checkValue(value: unknown, { name, min, max }: ActionSpec): number {
  if (typeof value === "number" && Math.fround(value) >= Math.fround(min) && Math.fround(value) <= Math.fround(max)) {
    return value;
  }
  const got = typeof value === "number" ? String(value) : quoted(value);
  throw new ActionError(`${name}: expected a number in [${min}, ${max}], got ${got}`);
}
