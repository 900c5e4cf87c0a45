/** Whether something grows: the straight line through samples of it (ordinary least squares), with its standard error. */

export interface Slope {
  /** Units of y a unit of x. */
  readonly slope: number;
  /** Standard error of the slope, from what the line leaves unexplained; NaN of fewer than three samples. */
  readonly error: number;
}

export function slopeOf(samples: readonly (readonly [x: number, y: number])[]): Slope {
  const n = samples.length;
  const mean = (index: 0 | 1) => samples.reduce((sum, sample) => sum + sample[index], 0) / n;
  const [mx, my] = [mean(0), mean(1)];
  const sxx = samples.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  const slope = samples.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / sxx;
  const residual = samples.reduce((sum, [x, y]) => sum + (y - my - slope * (x - mx)) ** 2, 0);
  return { slope, error: n > 2 ? Math.sqrt(residual / (n - 2) / sxx) : Number.NaN };
}
