/**
 * What LeRobot keeps about each feature: extremes, mean, population standard deviation, quantiles. Pictures go by
 * counts of their 256 values, so that figures of many episodes are exact, whatever was added up first.
 */

/** One value per component; `count` is of frames. */
export interface FeatureStats {
  readonly min: readonly number[];
  readonly max: readonly number[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly count: readonly [number];
  readonly q01: readonly number[];
  readonly q10: readonly number[];
  readonly q50: readonly number[];
  readonly q90: readonly number[];
  readonly q99: readonly number[];
}

export const STATISTICS = ["min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"] as const;
const QUANTILES = { q01: 0.01, q10: 0.1, q50: 0.5, q90: 0.9, q99: 0.99 } as const;

type Scalar = Record<Exclude<keyof FeatureStats, "count">, number>;

/** @param values [frames, components], row by row */
export function describe(values: ArrayLike<number>, components: number): FeatureStats {
  const frames = values.length / components;
  const columns = Array.from({ length: components }, (_, c) =>
    Float64Array.from({ length: frames }, (_, i) => values[i * components + c] as number).sort(),
  );
  return join(columns.map(describeSorted), frames);
}

/** @param histogram [3][256], counts of pixels. The values are given as shares of 255, as LeRobot does for pictures. */
export function describePictures(histogram: readonly (readonly number[])[], frames: number): FeatureStats {
  return join(histogram.map(describeCounts), frames);
}

function join(parts: readonly Scalar[], frames: number): FeatureStats {
  const row = (key: keyof Scalar) => parts.map((part) => part[key]);
  const { min, max, mean, std, q01, q10, q50, q90, q99 } = Object.fromEntries(
    STATISTICS.flatMap((key) => (key === "count" ? [] : [[key, row(key)]])),
  ) as Record<keyof Scalar, number[]>;
  return { min, max, mean, std, count: [frames], q01, q10, q50, q90, q99 };
}

/** Quantiles between two values are interpolated, as NumPy does. */
function describeSorted(sorted: Float64Array): Scalar {
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  const variance = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / sorted.length;
  const quantile = (share: number) => {
    const rank = share * (sorted.length - 1);
    const low = sorted[Math.floor(rank)] as number;
    return low + (rank % 1) * ((sorted[Math.ceil(rank)] as number) - low);
  };
  return {
    min: sorted[0] as number,
    max: sorted[sorted.length - 1] as number,
    mean,
    std: Math.sqrt(variance),
    ...mapQuantiles(quantile),
  };
}

function describeCounts(counts: readonly number[]): Scalar {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const mean = counts.reduce((sum, count, value) => sum + count * value, 0) / total;
  const variance = counts.reduce((sum, count, value) => sum + count * (value - mean) ** 2, 0) / total;
  const quantile = (share: number) => {
    let below = 0;
    return (
      counts.findIndex((count) => {
        below += count;
        return below > share * (total - 1);
      }) / 255
    );
  };
  return {
    min: counts.findIndex((count) => count > 0) / 255,
    max: counts.findLastIndex((count) => count > 0) / 255,
    mean: mean / 255,
    std: Math.sqrt(variance) / 255,
    ...mapQuantiles(quantile),
  };
}

function mapQuantiles(quantile: (share: number) => number): Record<keyof typeof QUANTILES, number> {
  const entries = Object.entries(QUANTILES).map(([name, share]) => [name, quantile(share)]);
  return Object.fromEntries(entries) as Record<keyof typeof QUANTILES, number>;
}
