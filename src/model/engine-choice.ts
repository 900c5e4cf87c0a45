/** Which engine runs the network: see `engine.ts`, which the page needn't load. */
export const ENGINE_CHOICES = ["auto", "own", "ort"] as const;
export type EngineChoice = (typeof ENGINE_CHOICES)[number];

export const isEngineChoice = (text: string): text is EngineChoice =>
  (ENGINE_CHOICES as readonly string[]).includes(text);
