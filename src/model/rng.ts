/**
 * The one source of randomness: Philox4x32-10, a counter-based generator without state, and normals made from it.
 * What a tick draws depends on seed and tick alone, so rewinding and branching need no care. `python/worldloop/rng.py` gives the
 * same bits: logarithm, sine and cosine are built here from IEEE +, -, *, / and sqrt, because those of a platform differ.
 * Sources: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; Box and Muller 1958.
 */
const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9; // golden ratio
const W1 = 0xbb67ae85; // sqrt(3) - 1
const ROUNDS = 10;

export type Words = readonly [number, number, number, number];

/** Ten rounds on a counter of four 32-bit words with a key of two; gives four uint32. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(M0, c0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = multiplyHigh(M1, c2);
    const low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/**
 * `count` standard normals, float32: what a session with seed `seed` draws for the step that leaves tick `tick`.
 * @param seed an integer in [0, 2^53): its low and high 32 bits are the key
 * @param tick an integer in [0, 2^32): 0 for the step after reset
 */
export function normals(seed: number, tick: number, count: number): Float32Array<ArrayBuffer> {
  const key = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)] as const;
  const out = new Float32Array(count); // writes past its end are dropped: the last block may be partly used
  for (let at = 0; at < count; at += 4) {
    const [x0, x1, x2, x3] = philox([at / 4, tick, 0, 0], key);
    boxMuller(x0, x1, out, at);
    boxMuller(x2, x3, out, at + 2);
  }
  return out;
}

/** Two independent normals from two uint32, radius from the first, angle from the second, into out[at] and out[at + 1]. */
function boxMuller(x0: number, x1: number, out: Float32Array, at: number): void {
  const radius = Math.sqrt(-2 * logFraction(x0 + 1));
  // The nearest quarter turn is taken off exactly, so that the series see at most π/4.
  const shifted = (x1 + 2 ** 29) % 2 ** 32;
  const quarter = Math.floor(shifted / 2 ** 30);
  const x = ((shifted % 2 ** 30) - 2 ** 29) * RADIANS;
  const sin = x * horner(SIN, x * x);
  const cos = horner(COS, x * x);
  const even = quarter % 2 === 0;
  out[at] = radius * (even ? cos : sin) * (quarter === 1 || quarter === 2 ? -1 : 1);
  out[at + 1] = radius * (even ? sin : cos) * (quarter > 1 ? -1 : 1);
}

const ATANH = [21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1].map((n) => 1 / n); // |s| < 0.172: the next term is below 1e-18

/** ln(n / 2^32) for an integer n in [1, 2^32]: n = m 2^e with m in [sqrt(1/2), sqrt(2)), ln m = 2 atanh((m-1)/(m+1)). */
function logFraction(n: number): number {
  let exponent = n > 0xffffffff ? 33 : 32 - Math.clz32(n); // bit length
  let m = n / 2 ** exponent; // exact
  if (m < Math.SQRT1_2) {
    m *= 2;
    exponent -= 1;
  }
  const s = (m - 1) / (m + 1);
  return (exponent - 32) * Math.LN2 + 2 * (s * horner(ATANH, s * s));
}

const RADIANS = 6.283185307179586 / 2 ** 32; // of one unit of the angle; exact division
const SIN = alternating([1, 3, 5, 7, 9, 11, 13, 15, 17]);
const COS = alternating([0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);

/** Taylor coefficients ±1/n! for these n, highest first. */
function alternating(powers: number[]): number[] {
  const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1)); // exact up to 18!
  return powers.map((n, i) => (i % 2 === 0 ? 1 : -1) / factorial(n)).reverse();
}

function horner(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (const c of coefficients) sum = sum * x + c;
  return sum;
}

/** High 32 bits of the 64-bit product of two uint32, by 16-bit halves: every partial sum stays below 2^53. */
function multiplyHigh(a: number, b: number): number {
  const ah = a >>> 16;
  const al = a & 0xffff;
  const bh = b >>> 16;
  const bl = b & 0xffff;
  const middle = ah * bl + ((al * bl) >>> 16) + ((al * bh) & 0xffff);
  return (ah * bh + ((al * bh) >>> 16) + Math.floor(middle / 65536)) >>> 0;
}
