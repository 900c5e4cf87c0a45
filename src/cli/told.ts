/** What a drive tells its world, checked before anything is played. */
import { PromptError } from "../errors";
import type { WorldPackage } from "../model/package";
import { parseWords, type Told } from "../model/prompt";

/**
 * @returns what to add to the line that is printed: words that mean nothing to the world
 * @throws PromptError where the world takes no prompts, or one of them means nothing to it
 */
export async function checkTold(told: readonly Told[], opened: WorldPackage): Promise<string> {
  if (told.length === 0) return "";
  const { prompt, name } = opened.manifest;
  if (!prompt) throw new PromptError(`prompt: ${name} takes none; expected actions alone`);
  const words = parseWords(await opened.read(prompt.file), prompt.width);
  const unknown = new Set(told.flatMap(({ text }) => words.encode(text).unknown));
  return unknown.size === 0 ? "" : `; to ${name} nothing is meant by ${[...unknown].join(", ")}`;
}
