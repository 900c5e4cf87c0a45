/** Text that a package or a host wrote, safe for a terminal: in one line, with nothing that moves, colours or hides. */
export const plain = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");
