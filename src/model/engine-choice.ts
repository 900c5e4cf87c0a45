/** Which engine runs the network: see `engine.ts`, which the page needn't load. */
export const ENGINE_CHOICES = ["auto", "own", "ort"] as const;
export type EngineChoice = (typeof ENGINE_CHOICES)[number];

/** How our own engine multiplies: all in float32, or the trunk's products by weights in whole numbers. */
export const PRECISIONS = ["float32", "int8"] as const;
export type Precision = (typeof PRECISIONS)[number];

/** No network of ours gains by more; a file may ask for any number, and each is a thread of its own. */
export const MOST_THREADS = 99;

export const isPrecision = (text: string): text is Precision => (PRECISIONS as readonly string[]).includes(text);
export const isEngineChoice = (text: string): text is EngineChoice =>
  (ENGINE_CHOICES as readonly string[]).includes(text);

/** What an engine computes with, and why it is the one: for people to read. */
export const explain = ({ arithmetic, detail }: { readonly arithmetic?: string; readonly detail?: string }): string =>
  [arithmetic, detail].filter(Boolean).join("; ");
