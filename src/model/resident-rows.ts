/** What lies in the rows of a session's inputs, so that a run writes only those that aren't there yet. */
export interface ResidentRows {
  /** @param put writes a row, zeros for null; called for those alone that differ from what was put there last */
  load(input: string, rows: readonly (Float32Array | null)[], put: (row: Float32Array | null, i: number) => void): void;
  /** Something else was written there. */
  forget(input: string): void;
}

export function createResidentRows(): ResidentRows {
  const inputs = new Map<string, (Float32Array | null | undefined)[]>(); // where known
  return {
    load(input, rows, put) {
      const known = inputs.get(input) ?? Array<undefined>(rows.length).fill(undefined);
      rows.forEach((row, i) => {
        if (row === known[i]) return;
        put(row, i);
        known[i] = row;
      });
      inputs.set(input, known);
    },
    forget(input) {
      inputs.delete(input);
    },
  };
}
