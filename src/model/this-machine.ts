/**
 * The names of the machine that the program runs on, as `URL.hostname` and `Location.hostname` give them. What goes to
 * them never leaves it: nobody on the way can read or change it, and who serves there is whoever sits here.
 */
export const THIS_MACHINE: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

export const isThisMachine = (hostname: string): boolean => THIS_MACHINE.includes(hostname);
