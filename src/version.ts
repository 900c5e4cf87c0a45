/** This release, as package.json has it: records say which one made them. */
export const VERSION = "0.1.0";
