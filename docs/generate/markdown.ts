/** Texts from the code, put where Markdown and Vue's templates would read more into them. */

/** A text inside a table's cell. */
export const cell = (text: string): string =>
  text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("{{", "{&#123;").replaceAll("\n", " ");

/** The same inside of `code`, where only the bar has a meaning. */
export const code = (text: string): string => `\`${text.replaceAll("|", "\\|")}\``;
